"""Ports for a run's processes: the configured ones where they are free, others where they are not."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from app.core.errors import Misconfigured
from app.core.ports import HeldPort, hold_any_port, hold_port


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
    """Whether a server could listen on `host`:`port` now, and nobody holds it for one."""
    try:
        held = hold_port(host, port)
    except OSError:
        return False
    if held is not None:
        held.close()
    return held is not None


def choose_ports(host: str, wanted: Mapping[str, int], held: ExitStack) -> dict[str, Port]:
    """A port for each name in `wanted`, all different, and nobody else's until `held` is closed.

    Raises:
        Misconfigured: this machine has no address `host`, or no free port.
    """
    chosen: dict[str, Port] = {}
    for name, port in wanted.items():
        try:
            taken = held.enter_context(_hold(host, port))
        except OSError as error:
            raise Misconfigured(
                f"no port for {name}: {host} cannot be listened on ({error.strerror}); set metrics.host or "
                "sandbox.host to an address of this machine"
            ) from None
        chosen[name] = Port(port, taken.port)
    return chosen


def _hold(host: str, port: int) -> HeldPort:
    return (hold_port(host, port) if port else None) or hold_any_port(host)


def reachable(host: str) -> str:
    """The address to connect to for a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
