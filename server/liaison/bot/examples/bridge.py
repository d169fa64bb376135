"""Posts each line of standard input, and ends with it: `tail -f gauge.log | python -m liaison.bot.examples.bridge`.

A client without a bot around it: there is nothing to listen to. LIAISON_CHANNEL names another channel than
joint/general.
"""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator

from liaison.bot import Client, FinalClose, Refused


async def post_lines(client: Client, channel: str, lines: AsyncIterator[str]) -> int:
    """Post every line that isn't blank, in order, each durable before the next; give how many."""
    posted = 0
    async for line in lines:
        if text := line.strip():
            await client.publish(channel, text)
            posted += 1
    return posted


async def standard_input() -> AsyncIterator[str]:
    """Give the lines of standard input, without holding up the loop while there are none."""
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        # asyncio takes pipes and terminals only; a file doesn't keep anybody waiting.
        for line in sys.stdin:
            yield line
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while raw := await reader.readline():
        yield raw.decode(errors="replace")


async def main() -> None:
    url = os.environ.get("LIAISON_URL", "")
    token = os.environ.get("LIAISON_TOKEN", "")
    if not url or not token:
        raise SystemExit("Set LIAISON_URL and LIAISON_TOKEN.")
    try:
        async with Client(url, token, name="bridge") as client:
            await post_lines(client, os.environ.get("LIAISON_CHANNEL", "joint/general"), standard_input())
    except (FinalClose, Refused) as error:
        raise SystemExit(f"The bridge ends: {error}") from error


if __name__ == "__main__":
    asyncio.run(main())
