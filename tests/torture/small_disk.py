"""A disk for PostgreSQL's tables that is full from one moment to the next.

It is in memory, and is full when it may be no larger than what is on it. Its write-ahead log is elsewhere: without room
for that PostgreSQL would stop, which is the fault "PostgreSQL killed" again; so it refuses what would need room.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.postgres_server import PostgresServer

# A million messages and their indexes; nothing is taken before it is written.
_SIZE_BYTES: Final = 4 << 30
_ATTEMPTS: Final = 20


class SmallDisk:
    """Mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path

    def fill(self) -> None:
        """Leave no room. Blocking."""
        for _ in range(_ATTEMPTS):
            disk = os.statvfs(self._path)
            # Somebody may write in between, and it is never made smaller than what is there.
            if self._resize((disk.f_blocks - disk.f_bfree) * disk.f_frsize):
                return
        raise AssertionError("the disk could not be filled")

    def empty(self) -> None:
        """Make room again; idempotent. Blocking."""
        assert self._resize(_SIZE_BYTES)

    def _resize(self, size_bytes: int) -> bool:
        return _mount("-o", f"remount,size={size_bytes}", str(self._path))


@contextmanager
def tables_on_a_small_disk(postgres: PostgresServer) -> Iterator[SmallDisk | None]:
    """Let all tables that are made from now on be there; None where nobody may mount one (it takes root)."""
    path = postgres.folder / "disk"
    path.mkdir()
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", f"size={_SIZE_BYTES},mode=0700", "none", str(path)):
        yield None
        return
    try:
        owner = postgres.data.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        postgres.execute(f"CREATE TABLESPACE small LOCATION '{path}'")
        postgres.execute("ALTER ROLE postgres SET default_tablespace = 'small'")
        yield SmallDisk(path)
    finally:
        subprocess.check_call(["umount", "--lazy", str(path)])


def _mount(*arguments: str) -> bool:
    if shutil.which("mount") is None:
        return False
    return not subprocess.call(["mount", *arguments], stderr=subprocess.DEVNULL)
