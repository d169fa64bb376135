"""What a supervisor such as systemd hands over and wants to be told: sockets, and READY=1.

The conventions are those of sd_listen_fds(3) and sd_notify(3).
"""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

from liaison.cli.exits import Exit, Failure

# By agreement handed sockets begin here.
_FIRST_FD: Final = 3
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def handed_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Take over the listening sockets that were handed to this process; none when they are for another one.

    The variables are taken out, so that no child takes the sockets for its own. Raises Failure(CONFIG) for what isn't a
    TCP socket that listens.
    """
    pid, count, _ = (environment.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    handed = []
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
        if listener.family not in (socket.AF_INET, socket.AF_INET6) or not _listens(listener):
            raise Failure(f"socket {fd} that was handed over is no TCP socket that listens", Exit.CONFIG)
        handed.append(listener)
    return handed


def _listens(listener: socket.socket) -> bool:
    return listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


def tell_supervisor(environment: MutableMapping[str, str], state: str) -> None:
    """Tell `state`, such as READY=1, to whoever asked to be told; a no-op when nobody did."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        # Linux' abstract names begin with a zero byte.
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        try:
            notify.sendto(state.encode(), address)
        except OSError as error:
            raise Failure(f"NOTIFY_SOCKET can't be told {state}: {error.strerror}", Exit.UNAVAILABLE) from error
