"""Two heads who suspend joint channels and resume them together; each step is tried until it is done."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from liaison.ports.clock import Clock
from liaison.protocol import administration_frames as frames
from liaison.protocol.errors import LiaisonError
from liaison.protocol.frames import Command, Reply
from tests.simulation.cluster import Node, NodeLostError

R = TypeVar("R", bound=Reply)

# What a head is told that has been done already, by an earlier try whose answer was lost.
_DONE = frozenset({"already_approved", "proposal_approved", "proposal_ended", "already_suspended", "not_suspended"})


class StuckError(Exception):
    """A head was told what can't be true, so nothing that the heads began can come to its end."""


class Deliberation:
    """`nodes` gives those that are up now; `secrets` are those of one head of each side."""

    def __init__(
        self, nodes: Callable[[], Sequence[Node]], secrets: Sequence[str], clock: Clock, rng: random.Random
    ) -> None:
        self._nodes, self._secrets, self._clock, self._rng = nodes, secrets, clock, rng
        self._keys = iter(range(10**9))
        self.suspended = 0

    async def run(self, channels: Sequence[str], until_s: float) -> None:
        """Suspend and resume until then; every channel is open again when this returns. Raises StuckError."""
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            await asyncio.sleep(self._rng.uniform(0.2, 4))
            channel = self._rng.choice(channels)
            suspension = await self._suspend(channel)
            await asyncio.sleep(self._rng.uniform(0, 5))
            await self._resume(channel, suspension)

    async def _suspend(self, channel: str) -> str:
        key = self._key()
        head = self._rng.choice(self._secrets)
        command = frames.SuspendChannel(id=1, channel=channel, key=key, authority="head", reason="talks")
        reply = await self._until_done(head, command, frames.SuspensionReply)
        if reply is None:
            raise StuckError(f"{channel} was suspended by somebody else")
        self.suspended += 1
        return reply.suspension

    async def _resume(self, channel: str, suspension: str) -> None:
        heads = list(self._secrets)
        self._rng.shuffle(heads)
        subject = frames.ResumeChannel(channel, suspension)
        expires_ms = self._clock.wall_ms() + 3_600_000
        proposing = frames.Propose(id=1, key=self._key(), subject=subject, expires_ms=expires_ms)
        reply = await self._until_done(heads[0], proposing, frames.ProposalReply)
        if reply is None:
            raise StuckError(f"nobody can propose to resume {channel}")
        proposal, digest = reply.proposal.proposal, reply.proposal.digest
        for head in heads:
            approving = frames.ApproveProposal(id=1, key=self._key(), proposal=proposal, digest=digest)
            await self._until_done(head, approving, frames.ProposalReply)
        while not await self._is_carried_out(heads[0], proposal):
            await asyncio.sleep(0.5)

    async def _is_carried_out(self, head: str, proposal: str) -> bool:
        reply = await self._until_done(head, frames.Administration(id=1, limit=200), frames.AdministrationReply)
        return reply is not None and any(
            one.proposal == proposal and one.state == "carried_out" for one in reply.proposals
        )

    async def _until_done(self, head: str, command: Command, kind: type[R]) -> R | None:
        """Ask one node after the other with the same key; None when an earlier try turns out to have done it."""
        while True:
            nodes = self._nodes()
            try:
                if nodes:
                    reply = await self._rng.choice(nodes).ask(head, command)
                    assert isinstance(reply, kind)
                    return reply
            except NodeLostError:
                pass
            except LiaisonError as error:
                if error.code.wire_name in _DONE:
                    return None
                if not error.code.value.temporary:
                    raise StuckError(error.message) from error
            await asyncio.sleep(self._rng.uniform(0.05, 0.5))

    def _key(self) -> str:
        return f"deliberation {next(self._keys)}"
