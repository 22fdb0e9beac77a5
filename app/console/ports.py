"""Ports for a run's processes: the configured ones where they are free, others where they are not."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Port:
    """A port in use by the run, and the one the configuration asked for (0: any)."""

    wanted: int
    taken: int

    @property
    def moved(self) -> bool:
        """Whether the configured port was not free."""
        return self.wanted not in (0, self.taken)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host`:`port` now."""
    with socket.socket() as probe:
        # As servers do: connections of a former server that still linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_ports(host: str, wanted: Mapping[str, int]) -> dict[str, Port]:
    """A port for each name in `wanted`, all different.

    Raises:
        Misconfigured: this machine has no address `host`.
    """
    chosen: dict[str, Port] = {}
    used: set[int] = set()
    held: list[socket.socket] = []
    try:
        for name, port in wanted.items():
            if not port or port in used or not is_free(host, port):
                held.append(_any_port(host, name))
                taken = int(held[-1].getsockname()[1])
            else:
                taken = port
            used.add(taken)
            chosen[name] = Port(port, taken)
    finally:
        # Held until all are chosen, so that the system does not offer one port twice.
        for probe in held:
            probe.close()
    return chosen


def _any_port(host: str, name: str) -> socket.socket:
    probe = socket.socket()
    try:
        probe.bind((host, 0))
    except OSError as error:
        probe.close()
        raise Misconfigured(f"no port for {name}: {host} cannot be listened on ({error.strerror}); set metrics.host "
                            "or sandbox.host to an address of this machine") from None  # fmt: skip
    return probe


def reachable(host: str) -> str:
    """The address to connect to for a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
