"""Whoever comes while a flight is under way shares the next one, and gets an answer whatever becomes of it."""

import asyncio
from collections.abc import Sequence

import pytest

from liaison.adapters.postgres_flights import Flights


class Airport:
    """Flights that land when the test says so."""

    def __init__(self, max_size: int = 10) -> None:
        self.flights: list[tuple[list[int], asyncio.Future[Sequence[str | Exception]]]] = []
        self.desk: Flights[int, str] = Flights(self.fly, lambda item: item, max_size)
        self.is_closed = False

    def fly(self, items: Sequence[int]) -> "asyncio.Future[Sequence[str | Exception]]":
        if self.is_closed:
            raise OSError("closed")
        flight: asyncio.Future[Sequence[str | Exception]] = asyncio.get_running_loop().create_future()
        self.flights.append((list(items), flight))
        return flight

    def board(self, *items: int) -> list["asyncio.Task[str]"]:
        return [asyncio.create_task(self.desk.board(item)) for item in items]

    async def land(self) -> None:
        items, flight = self.flights[-1]
        flight.set_result([str(item) for item in items])
        await turn()

    @property
    def aboard(self) -> list[list[int]]:
        return [items for items, _ in self.flights]


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_those_of_one_turn_fly_together_and_later_ones_with_the_next() -> None:
    airport = Airport()
    first = airport.board(1, 2)
    await turn()
    second = airport.board(3, 4)
    await turn()
    assert airport.aboard == [[1, 2]]
    await airport.land()
    assert airport.aboard == [[1, 2], [3, 4]]
    await airport.land()
    assert [task.result() for task in first + second] == ["1", "2", "3", "4"]


async def test_one_who_lands_and_has_more_at_hand_flies_with_those_who_wait() -> None:
    airport = Airport()

    async def fly_twice() -> None:
        await airport.desk.board(1)
        await airport.desk.board(2)

    task = asyncio.create_task(fly_twice())
    await turn()
    waiting = airport.board(3)
    await turn()
    await airport.land()
    assert airport.aboard == [[1], [3, 2]]
    await airport.land()
    await asyncio.gather(task, *waiting)


async def test_a_flight_takes_what_fits_but_always_one() -> None:
    airport = Airport(max_size=10)
    airport.board(6, 4, 1, 99, 1)
    await turn()
    for _ in range(4):
        await airport.land()
    assert airport.aboard == [[6, 4], [1], [99], [1]]


async def test_an_error_of_the_flight_is_everybodys_and_the_next_one_goes() -> None:
    airport = Airport()
    lost = airport.board(1, 2)
    await turn()
    later = airport.board(3)
    airport.flights[-1][1].set_exception(OSError("lost"))
    await turn()
    await airport.land()
    assert [type(task.exception()) for task in lost] == [OSError, OSError]
    assert later[0].result() == "3"


async def test_an_error_in_the_place_of_a_result_is_that_ones_alone() -> None:
    airport = Airport()
    one, two = airport.board(1, 2)
    await turn()
    airport.flights[-1][1].set_result([KeyError("mine"), "2"])
    await turn()
    assert isinstance(one.exception(), KeyError)
    assert two.result() == "2"


async def test_one_who_was_cancelled_is_missed_by_nobody() -> None:
    airport = Airport()
    gone, there = airport.board(1, 2)
    await turn()
    gone.cancel()
    await turn()
    await airport.land()
    assert there.result() == "2"


async def test_a_flight_that_can_not_begin_refuses_those_aboard() -> None:
    airport = Airport()
    airport.is_closed = True
    (refused,) = airport.board(1)
    await turn()
    with pytest.raises(OSError, match="closed"):
        await refused
