"""TCP ports kept for servers that will listen on them later, or again after a restart.

A port that was only looked at may be gone when its server opens it: other programs are given free ports all the time,
and two launchers that look at the same moment find the same ones. So the port is held: a socket is bound to it that
never listens. The system then gives it to nobody who asks for just any port, and connections that are not for a server
are refused as on any free port; a server that asks for this very one gets it, as servers share addresses with sockets
that do not listen (SO_REUSEADDR). Two holders would share it as well, so a name goes with each port that only one
process of the machine can have. Both vanish with the process.
"""

import errno
import socket
import sys


class HeldPort:
    """A port that nobody but servers we tell of it will listen on, until `close`.

    Linux only; elsewhere the port was free and is not held, because there servers would be kept out as well.
    """

    def __init__(self, port: int, sockets: tuple[socket.socket, ...]) -> None:
        self.port = port
        self._sockets = sockets

    def close(self) -> None:
        """Let go of it; a server that listens on it goes on."""
        for held in self._sockets:
            held.close()

    def __enter__(self) -> "HeldPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hold_port(host: str, port: int) -> HeldPort | None:
    """Hold `host`:`port`; None if a server listens there, somebody else holds it, or we may not.

    Raises:
        OSError: this machine has no address `host`.
    """
    bound = socket.socket()
    # As servers do: connections of a former server that still linger are no obstacle.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if port and error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise
    return _named(bound)


def hold_any_port(host: str) -> HeldPort:
    """Hold a free port of `host`.

    Raises:
        OSError: this machine has no address `host`, or no free port.
    """
    while (held := hold_port(host, 0)) is None:
        pass
    return held


def _named(bound: socket.socket) -> HeldPort | None:
    port = int(bound.getsockname()[1])
    if not sys.platform.startswith("linux"):
        bound.close()
        return HeldPort(port, ())
    # An abstract name: it belongs to the same network namespace as the port, and leaves no file behind.
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0aviary:port:{port}")
    except OSError:
        name.close()
        bound.close()
        return None
    return HeldPort(port, (bound, name))
