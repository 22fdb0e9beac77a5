"""The venue's clock."""

from typing import Final

from app.core.clock import NS_PER_MS, wall_ns

#: What the sandbox publishes happens at multiples of this: the fastest push interval the venue has.
GRID_NS: Final = 10 * NS_PER_MS


class Timeline:
    """Venue time = the flow's event time + a constant.

    The constant is 0, or (`follows_wall`) what makes the flow's beginning the present. `reached_ns` is the event time
    up to which the flow has been applied.
    """

    def __init__(self, *, follows_wall: bool = False) -> None:
        self._follows_wall = follows_wall
        self.reached_ns = 0
        self.shift_ns = 0

    def begin(self, start_ns: int) -> None:
        """Event time `start_ns` is now."""
        self.reached_ns = start_ns
        if self._follows_wall:
            # A whole number of grid steps: rounding to ms then commutes with the shift.
            self.shift_ns = (wall_ns() - start_ns) // GRID_NS * GRID_NS

    def ms(self, event_ns: int) -> int:
        """Venue time in ms of an event time."""
        return (event_ns + self.shift_ns) // NS_PER_MS

    def now_ns(self) -> int:
        """The venue's present, in ns: the wall clock if it follows that, else the event time reached."""
        return wall_ns() if self._follows_wall else self.reached_ns


def grid_after(event_ns: int, interval_ns: int = GRID_NS) -> int:
    """The first multiple of `interval_ns` after `event_ns`."""
    return event_ns // interval_ns * interval_ns + interval_ns


def grid_from(event_ns: int, interval_ns: int = GRID_NS) -> int:
    """The first multiple of `interval_ns` at or after `event_ns`."""
    return -(-event_ns // interval_ns) * interval_ns
