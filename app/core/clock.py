"""Units of time, and the wall clock for shells.

Cores never call `wall_ns`: they take their time from the rows and messages they are given.
"""

import time

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def wall_ns() -> int:
    """Nanoseconds since the Unix epoch, UTC."""
    return time.time_ns()
