"""Group flights: whatever comes while one flight is under way shares the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Begins a flight with some items; its future gives one result for each, or an error in the place of one.
Fly = Callable[[Sequence[Item]], asyncio.Future[Sequence[Result | Exception]]]


@dataclass(frozen=True, slots=True)
class _Passenger(Generic[Item, Result]):
    item: Item
    answer: "asyncio.Future[Result]"


class Flights(Generic[Item, Result]):
    """One flight at a time, each with as many as `fits` admits."""

    def __init__(self, fly: Fly[Item, Result], size: Callable[[Item], int], max_size: int) -> None:
        """A flight takes items up to `max_size` in sum of their `size`, but always one. `fly` may raise."""
        self._fly: Final = fly
        self._size: Final = size
        self._max_size: Final = max_size
        self._waiting: Final[deque[_Passenger[Item, Result]]] = deque()
        self._is_under_way = False

    async def board(self, item: Item) -> Result:
        """Give the item's result. Raises its error, or that of its flight. Cancellation: it may fly all the same."""
        loop = asyncio.get_running_loop()
        passenger: _Passenger[Item, Result] = _Passenger(item, loop.create_future())
        self._waiting.append(passenger)
        if not self._is_under_way:
            self._is_under_way = True
            # Not now: everything else that this turn of the loop brings shall come along.
            loop.call_soon(self._take_off)
        return await passenger.answer

    def _take_off(self) -> None:
        aboard = self._take()
        if not aboard:
            self._is_under_way = False
            return
        try:
            flight = self._fly([passenger.item for passenger in aboard])
        except Exception as error:  # noqa: BLE001 # belongs to those aboard
            self._answer(aboard, [error] * len(aboard))
            self._go_on()
            return
        flight.add_done_callback(lambda landed: self._land(aboard, landed))

    def _take(self) -> list[_Passenger[Item, Result]]:
        aboard: list[_Passenger[Item, Result]] = []
        room = self._max_size
        while self._waiting:
            room -= self._size(self._waiting[0].item)
            if aboard and room < 0:
                break
            aboard.append(self._waiting.popleft())
        return aboard

    def _land(
        self, aboard: Sequence[_Passenger[Item, Result]], flight: "asyncio.Future[Sequence[Result | Exception]]"
    ) -> None:
        error = asyncio.CancelledError() if flight.cancelled() else flight.exception()
        if isinstance(error, Exception):
            self._answer(aboard, [error] * len(aboard))
        elif error is not None:
            for passenger in aboard:
                passenger.answer.cancel()
        else:
            self._answer(aboard, flight.result())
        self._go_on()

    def _go_on(self) -> None:
        """Take off again, behind those who are told of this flight only now and have the next thing at hand.

        Else two who always have more would take turns, and each wait for every flight of the other.
        """
        asyncio.get_running_loop().call_soon(self._take_off)

    @staticmethod
    def _answer(aboard: Sequence[_Passenger[Item, Result]], results: Sequence[Result | Exception]) -> None:
        for passenger, result in zip(aboard, results, strict=True):
            if passenger.answer.done():  # Cancelled meanwhile.
                continue
            if isinstance(result, Exception):
                passenger.answer.set_exception(result)
            else:
                passenger.answer.set_result(result)
