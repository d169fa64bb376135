"""ports.marks.Marks in a dictionary, which outlives the offices that a test opens and restores."""

from liaison.ports.marks import MarksUnavailableError


class MemoryMarks:
    def __init__(self) -> None:
        self.marks: dict[str, int] = {}
        self.are_away = False

    async def get(self, name: str) -> int:
        self._check()
        return self.marks.get(name, 0)

    async def raise_to(self, name: str, value: int) -> None:
        self._check()
        self.marks[name] = max(value, self.marks.get(name, 0))

    def _check(self) -> None:
        if self.are_away:
            raise MarksUnavailableError("away")
