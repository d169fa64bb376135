import asyncio
from collections.abc import Iterator

import pytest

from liaison.adapters.argon2_passwords import MEMORY_KIB, PASSES, THREADS, Argon2Passwords
from liaison.ports.passwords import Passwords
from liaison.protocol.errors import ErrorCode, Unavailable
from tests.office.plain_passwords import PlainPasswords


@pytest.fixture
def argon2() -> Iterator[Argon2Passwords]:
    passwords = Argon2Passwords(memory_kib=64, passes=1)
    yield passwords
    passwords.close()


@pytest.fixture(params=["argon2", "plain"])
def passwords(request: pytest.FixtureRequest) -> Passwords:
    if request.param == "plain":
        return PlainPasswords()
    real: Argon2Passwords = request.getfixturevalue("argon2")
    return real


async def test_a_hash_fits_its_own_password_and_no_other(passwords: Passwords) -> None:
    password_hash = await passwords.hash("비밀번호 열 글자")
    assert await passwords.verify(password_hash, "비밀번호 열 글자")
    assert not await passwords.verify(password_hash, "비밀번호 열 글짜")
    assert not await passwords.verify(password_hash, "")


@pytest.mark.parametrize("password", ["", "anything", "$argon2id$"])
async def test_no_password_fits_the_empty_hash(passwords: Passwords, password: str) -> None:
    assert not await passwords.verify("", password)


async def test_a_damaged_hash_fits_nothing(passwords: Passwords) -> None:
    password_hash = await passwords.hash("correct horse")
    for damaged in (password_hash[:-1], "$argon2id$", "x"):
        assert not await passwords.verify(damaged, "correct horse")


async def test_a_hash_of_today_is_not_outdated(passwords: Passwords) -> None:
    assert not passwords.is_outdated(await passwords.hash("correct horse"))
    assert passwords.is_outdated("x")


async def test_the_same_password_hashes_differently_each_time(argon2: Argon2Passwords) -> None:
    assert await argon2.hash("correct horse") != await argon2.hash("correct horse")


async def test_a_hash_with_other_parameters_is_outdated(argon2: Argon2Passwords) -> None:
    stronger = Argon2Passwords(memory_kib=128, passes=1)
    try:
        password_hash = await argon2.hash("correct horse")
        assert stronger.is_outdated(password_hash)
        assert await stronger.verify(password_hash, "correct horse")
    finally:
        stronger.close()


async def test_the_real_parameters_are_no_weaker_than_promised() -> None:
    passwords = Argon2Passwords()
    try:
        password_hash = await passwords.hash("correct horse")
    finally:
        passwords.close()
    assert password_hash.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$")
    assert (MEMORY_KIB, PASSES, THREADS) >= (19 * 1024, 2, 2)


async def test_a_flood_is_refused_instead_of_queued_without_end() -> None:
    passwords = Argon2Passwords(memory_kib=64, passes=1, threads=1, max_waiting=4)
    try:
        results = await asyncio.gather(*(passwords.hash("x") for _ in range(50)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, Unavailable)]
        assert {error.code for error in refused} == {ErrorCode.BUSY}
        assert len(results) - len(refused) >= 5
        assert await passwords.hash("x")
    finally:
        passwords.close()


async def test_a_cancelled_caller_gives_the_place_back_only_when_its_hash_is_done() -> None:
    passwords = Argon2Passwords(memory_kib=64, passes=1, threads=1, max_waiting=0)
    try:
        for _ in range(3):
            caller = asyncio.ensure_future(passwords.hash("x"))
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            async with asyncio.timeout(5):
                while True:
                    try:
                        assert await passwords.hash("x")
                        break
                    except Unavailable:
                        await asyncio.sleep(0)
    finally:
        passwords.close()
