"""Bots as processes of their own, as their authors run them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bot.peer import GENERAL, TOKEN

SERVER = Path(__file__).parents[2] / "server"
PATIENCE_S = 20


@asynccontextmanager
async def program(
    *arguments: str, url: str, cursor: Path, token: str = TOKEN, channel: str = GENERAL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python with these arguments, warnings being errors; it ends with the block at the latest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        *arguments,
        env={
            "LIAISON_URL": url,
            "LIAISON_TOKEN": token,
            "LIAISON_CURSOR": str(cursor),
            "LIAISON_CHANNEL": channel,
            "PYTHONPATH": str(SERVER),
            "PATH": os.environ["PATH"],
            "no_proxy": "127.0.0.1",
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def finished(process: asyncio.subprocess.Process, *, status: int = 0) -> tuple[str, str]:
    """Wait for the program's end, and give what it wrote to its output and its errors."""
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await process.communicate()
    assert process.returncode == status, errors.decode()
    return output.decode(), errors.decode()
