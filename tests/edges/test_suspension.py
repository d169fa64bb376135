"""A suspension over HTTP: what is written is accepted, not created, and both heads release it."""

from pathlib import Path
from typing import Any

import aiohttp

from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.edges.api_routes import PREFIX
from liaison.office.founding import found_registers
from tests.security.premises import PASSWORD, PROFILE, SIDES, Premises, open_premises

MESSAGES = "channels/joint/general/messages"


async def _post(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with http.post(f"{PREFIX}/{path}", json=body) as response:
        return response.status, await response.json()


async def _appoint_heads(premises: Premises) -> None:
    await found_registers(premises.office.directory, PROFILE)
    for side in SIDES:
        account = Account(UserId(f"{side}-head"), "head", DelegationId(side), Role.HEAD)
        await premises.office.accounts.add_person(account, PASSWORD, by="test")
        await premises.sign_in(account.user)


async def test_a_held_message_is_answered_with_202_and_is_a_message_once_both_heads_resume(tmp_path: Path) -> None:
    async with open_premises(tmp_path) as premises:
        await _appoint_heads(premises)
        async with (
            premises.http("south-head") as south,
            premises.http("north-head") as north,
            premises.http("north-1") as author,
        ):
            words = {"channel": "joint/general", "key": "s", "authority": "남측 대표", "reason": "협의"}
            status, suspended = await _post(south, "registers/suspend_channel", words)
            assert status == 200
            message = {"text": "기다립니다", "key": "k"}
            status, answer = await _post(author, MESSAGES, message)
            assert (status, answer["held"], answer["seq"]) == (202, True, 0)
            subject = {"kind": "resume", "channel": "joint/general", "suspension": suspended["suspension"]}
            expires_ms = premises.office.clock.wall_ms() + 600_000
            proposing = {"key": "p", "subject": subject, "expires_ms": expires_ms}
            _, proposed = await _post(north, "registers/propose", proposing)
            approval = {"key": "a", **{name: proposed["proposal"][name] for name in ("proposal", "digest")}}
            for head, state in ((south, "approved_by_one"), (north, "carried_out")):
                _, approved = await _post(head, "registers/approve_proposal", approval)
                assert approved["proposal"]["state"] == state
            status, answer = await _post(author, MESSAGES, message)
            assert (status, answer["seq"], answer["duplicate"]) == (200, 3, True)
