"""The heads of both sides, who suspend a joint channel and open it again together, at whichever node answers.

Every step has a key and is repeated with it until its answer comes, as a head at a screen would press again.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final

import aiohttp

from liaison.edges.api_routes import PREFIX

_ANSWER_TIMEOUT: Final = aiohttp.ClientTimeout(total=4)
_AGAIN_S: Final = 0.1
_PATIENCE_S: Final = 60.0
# Longer than any jump of a node's clock: what runs out by a wrong clock would have to be proposed anew.
_EXPIRES_MS: Final = 20 * 3600 * 1000


class Heads:
    """`secrets` are the heads' ways in, by side; `urls` are the nodes'."""

    def __init__(self, secrets: Mapping[str, str], urls: Sequence[str]) -> None:
        self._secrets = secrets
        self._urls = cycle(urls)

    async def suspend(self, channel: str, key: str) -> str:
        """Close the channel; give the suspension's name."""
        words = {"channel": channel, "key": key, "authority": "대표", "reason": "협의"}
        async with asyncio.timeout(_PATIENCE_S):
            return str((await self._do("south", "suspend_channel", words))["suspension"])

    async def resume(self, channel: str, suspension: str, key: str) -> None:
        """Open the channel that this suspension closed, with both keys."""
        subject = {"kind": "resume", "channel": channel, "suspension": suspension}
        proposing = {"key": f"{key}-p", "subject": subject, "expires_ms": int(time.time() * 1000) + _EXPIRES_MS}
        async with asyncio.timeout(_PATIENCE_S):
            proposed = (await self._do("north", "propose", proposing))["proposal"]
            approval = {"key": f"{key}-a", **{name: proposed[name] for name in ("proposal", "digest")}}
            await self._do("south", "approve_proposal", approval)
            while (await self._do("north", "approve_proposal", approval))["proposal"]["state"] != "carried_out":
                await asyncio.sleep(_AGAIN_S)

    async def _do(self, side: str, command: str, body: Mapping[str, object]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._secrets[side]}", "Sec-Fetch-Site": "same-origin"}
        async with aiohttp.ClientSession(timeout=_ANSWER_TIMEOUT, headers=headers) as http:
            while True:
                try:
                    url = f"{next(self._urls)}{PREFIX}/registers/{command}"
                    async with http.post(url, json=body) as response:
                        answer: dict[str, Any] = await response.json()
                        if response.status == 200:
                            return answer
                        assert answer["temporary"] or answer["name"] == "unknown_outcome", f"{command}: {answer}"
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(_AGAIN_S)
