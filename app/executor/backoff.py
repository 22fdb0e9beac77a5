"""How long to wait before an order that the venue rejected is sent again."""

from typing import Final

import msgspec

from app.core.clock import NS_PER_MS
from app.messages.execution import Leg

#: ns of event time: after the first rejection, and at most; it doubles from one to the next. A venue that is too busy
#: to take an order is not helped by a hundred more a second, and bans who sends them.
FIRST: Final = 100 * NS_PER_MS
LONGEST: Final = 2000 * NS_PER_MS


class Backoff(msgspec.Struct):
    """Of one position. Rejections of one `leg` in a row, and the time (ns) before which it is not sent again.

    Another leg is not held back: an exit does not wait because the venue rejected the target.
    """

    leg: Leg | None = None
    rejections: int = 0
    until: int = 0

    def rejected(self, leg: Leg, now: int) -> int:
        """An order of `leg` was rejected: the time at which it may be sent again."""
        self.rejections = self.rejections + 1 if leg == self.leg else 1
        self.leg = leg
        self.until = now + min(LONGEST, FIRST << min(self.rejections - 1, 16))
        return self.until

    def accepted(self, leg: Leg) -> None:
        """The venue took an order of `leg`."""
        if leg == self.leg:
            self.leg, self.rejections, self.until = None, 0, 0

    def holds(self, leg: Leg, now: int) -> bool:
        """Whether an order of `leg` has to wait at `now`."""
        return leg == self.leg and now < self.until
