"""A node's wall clock that jumps when the harness says so; its monotonic clock goes on, as the kernel's does.

The node runs the real program behind a few lines that add an offset to what Python takes for the time. The offset is in
a file that both have in memory. libfaketime would do the same to every library, but is one package more to install for
a server that asks Python alone.
"""

import mmap
import struct
from pathlib import Path
from typing import Final

_FORM: Final = struct.Struct("=q")

_PROGRAM: Final = """
import mmap, struct, time
with open({path!r}, "rb") as file:
    shift = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
real_ns = time.time_ns
time.time_ns = lambda: real_ns() + struct.unpack_from("=q", shift)[0]
time.time = lambda: time.time_ns() / 1e9
from liaison.cli import main
main()
"""


class ShiftedClock:
    """The offset of one node's wall clock; the file of it is made in `folder`."""

    def __init__(self, folder: Path, node: str) -> None:
        path = folder / f"{node}.clock"
        path.write_bytes(_FORM.pack(0))
        self.program = ("-c", _PROGRAM.format(path=str(path)))
        """What Python is to run for a node with this clock."""
        with path.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), _FORM.size)

    def jump(self, seconds: float) -> None:
        """Set the clock so far ahead of the true time, or behind it; 0 sets it right."""
        _FORM.pack_into(self._shift, 0, int(seconds * 1e9))
