"""Times of trouble: slow, cut off, or refused by the venue. A function of time and of the message's key."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from app.sim.draws import uniform
from app.sim.settings import SpellSettings

#: Why an order was rejected in a spell: the venue's "experiencing a high server load", which asks to try again.
BUSY: Final = "429"


class Spells:
    """Spells in order of time, which do not overlap. `seed` decides which orders are refused."""

    def __init__(self, spells: Sequence[SpellSettings] = (), *, seed: int = 0) -> None:
        self._spells = spells
        self._starts = [spell.start for spell in spells]
        self._seed = seed

    def __bool__(self) -> bool:
        """True if there is any."""
        return bool(self._spells)

    def at(self, ts: int) -> SpellSettings | None:
        """The spell at `ts`, None if there is none."""
        index = bisect_right(self._starts, ts) - 1
        return self._spells[index] if index >= 0 and ts < self._spells[index].end else None

    def refuse(self, key: str, ts: int) -> bool:
        """Whether the venue refuses order `key`, which reaches it at `ts`."""
        spell = self.at(ts) if self._spells else None
        return spell is not None and uniform(self._seed, "refused", key) < spell.refused
