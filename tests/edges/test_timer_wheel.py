from liaison.edges.timer_wheel import TICK_MS, TimerWheel
from tests.hand_clock import HandClock


class Alarm:
    def __init__(self, clock: HandClock, rung: list[tuple[str, int]], name: str) -> None:
        self._clock, self._rung, self._name = clock, rung, name
        self._start_ms = clock.monotonic_ms()

    def on_due(self, now_ms: int) -> None:
        self._rung.append((self._name, self._clock.monotonic_ms() - self._start_ms))


def test_a_deadline_never_comes_early_and_at_most_two_ticks_late() -> None:
    clock, rung = HandClock(), []  # type: tuple[HandClock, list[tuple[str, int]]]
    wheel = TimerWheel(clock)
    for delay_ms in (1, 250, 999, 15_000):
        wheel.schedule(Alarm(clock, rung, str(delay_ms)), delay_ms)
    for _ in range(15_000 // 50 + 20):
        clock.advance(50)
        wheel.turn()
    assert [name for name, _ in rung] == ["1", "250", "999", "15000"]
    assert all(int(name) <= at_ms <= int(name) + 2 * TICK_MS for name, at_ms in rung)
    assert len(wheel) == 0


def test_a_new_deadline_takes_the_place_of_the_old_one() -> None:
    clock, rung = HandClock(), []  # type: tuple[HandClock, list[tuple[str, int]]]
    wheel = TimerWheel(clock)
    alarm = Alarm(clock, rung, "a")
    wheel.schedule(alarm, 1_000)
    wheel.schedule(alarm, 5_000)
    clock.advance(2_000)
    wheel.turn()
    assert rung == []
    clock.advance(4_000)
    wheel.turn()
    assert len(rung) == 1


def test_what_is_cancelled_by_another_of_the_same_tick_is_not_called() -> None:
    clock, rung = HandClock(), []  # type: tuple[HandClock, list[tuple[str, int]]]
    wheel = TimerWheel(clock)
    second = Alarm(clock, rung, "second")

    class First:
        def on_due(self, now_ms: int) -> None:
            wheel.cancel(second)

    wheel.schedule(First(), 100)
    wheel.schedule(second, 100)
    clock.advance(1_000)
    wheel.turn()
    assert rung == []
    wheel.cancel(second)


async def test_after_a_stall_nobody_is_judged_before_what_arrived_meanwhile_was_read() -> None:
    clock, rung = HandClock(), []  # type: tuple[HandClock, list[tuple[str, int]]]
    lags: list[float] = []
    wheel = TimerWheel(clock, on_lag=lags.append)
    wheel.start()
    try:
        wheel.schedule(Alarm(clock, rung, "a"), 10_000)
        clock.advance(30_000)
        wheel._tick()
        assert rung == []
        assert lags == [30_000 - TICK_MS]
        clock.advance(TICK_MS)
        wheel._tick()
        assert len(rung) == 1
    finally:
        wheel.stop()
