import asyncio
import socket
import time

import pytest

from tests.virtual_time import WALL_START_MS, NothingCanAdvance, World, run


def test_hours_pass_in_no_time() -> None:
    async def scenario(world: World) -> int:
        await asyncio.sleep(3 * 3600)
        return world.clock.monotonic_ms()

    started = time.monotonic()
    assert run(0, scenario) == 3 * 3600 * 1000
    assert time.monotonic() - started < 1


def test_timers_fire_in_the_order_of_their_moments() -> None:
    async def scenario(world: World) -> list[tuple[str, int]]:
        history: list[tuple[str, int]] = []
        loop = asyncio.get_running_loop()

        def note(name: str) -> None:
            history.append((name, world.clock.monotonic_ms()))

        for name, delay in (("late", 0.3), ("early", 0.1), ("between", 0.2)):
            loop.call_later(delay, note, name)
        await asyncio.sleep(1)
        return history

    assert run(0, scenario) == [("early", 100), ("between", 200), ("late", 300)]


def test_a_deadline_ends_a_wait_exactly_when_it_says() -> None:
    async def scenario(world: World) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return world.clock.monotonic_ms()

    assert run(0, scenario) == 2500


def test_waiting_for_what_cannot_happen_raises() -> None:
    async def scenario(world: World) -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingCanAdvance, match="no timer"):
        run(0, scenario)


def test_spinning_without_letting_time_pass_raises() -> None:
    async def scenario(world: World) -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(NothingCanAdvance, match="no time has passed"):
        run(0, scenario)


def test_a_scenario_that_never_ends_raises() -> None:
    async def scenario(world: World) -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(NothingCanAdvance, match="not ended after 60 s"):
        run(0, scenario, limit_s=60)


def test_the_same_seed_gives_the_same_history_and_another_seed_another() -> None:
    async def scenario(world: World) -> list[tuple[int, int]]:
        history: list[tuple[int, int]] = []

        async def walk(who: int) -> None:
            for _ in range(20):
                await asyncio.sleep(world.random.random())
                history.append((who, world.clock.monotonic_ms()))

        async with asyncio.TaskGroup() as walkers:
            for who in range(5):
                walkers.create_task(walk(who))
        return history

    assert run(1, scenario) == run(1, scenario)
    assert run(1, scenario) != run(2, scenario)


def test_blocking_work_runs_inline_and_suspends_its_caller_once() -> None:
    async def scenario(world: World) -> list[str]:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "another")
        order.append(await world.run_blocking(str.upper, "blocking"))
        return order

    assert run(0, scenario) == ["another", "BLOCKING"]


def test_blocking_work_raises_to_its_caller() -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(ValueError):
            await world.run_blocking(int, "x")

    run(0, scenario)


def test_threads_are_refused() -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(time.time)

    run(0, scenario)


def test_real_sockets_are_refused() -> None:
    async def scenario(world: World) -> None:
        here, there = socket.socketpair()
        with here, there, pytest.raises(RuntimeError, match="no real input"):
            asyncio.get_running_loop().add_reader(here, lambda: None)

    run(0, scenario)


def test_an_exception_in_a_callback_fails_the_run() -> None:
    async def scenario(world: World) -> None:
        asyncio.get_running_loop().call_later(1, lambda: int("x"))
        await asyncio.sleep(2)

    with pytest.raises(ValueError):
        run(0, scenario)


def test_the_wall_clock_jumps_and_the_monotonic_one_does_not() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        assert world.clock.wall_ms() == WALL_START_MS + 1000
        world.clock.jump_wall(-60_000)
        assert world.clock.wall_ms() == WALL_START_MS - 59_000
        assert world.clock.monotonic_ms() == 1000

    run(0, scenario)


def test_stopped_process_finds_its_timers_overdue_and_in_order() -> None:
    async def scenario(world: World) -> list[tuple[str, int]]:
        history: list[tuple[str, int]] = []

        async def wait(name: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            history.append((name, world.clock.monotonic_ms()))

        async with asyncio.TaskGroup() as waits:
            for name, delay_s in (("b", 2), ("a", 1), ("c", 9)):
                waits.create_task(wait(name, delay_s))
            await asyncio.sleep(0.5)
            world.stop_the_process(5_000)
        return history

    assert run(0, scenario) == [("a", 5500), ("b", 5500), ("c", 9000)]
