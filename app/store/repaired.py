"""The rows of a damaged archive, with what says that some are gone."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import BadInput
from app.market.rows import Rows
from app.store.examine import Examined, examine
from app.store.inventory import Part, refuse_overlap
from app.store.layout import CLOCK_SYMBOL, NS_PER_HOUR, Sidecar, venue_dir
from app.store.mend import Mender, Span, with_clock
from app.store.merge import Block, merge_recordings, merge_symbols
from app.store.messages import whole_messages
from app.store.part import read_part
from app.store.repairs import Repairs
from app.store.salvage import State, Treated

_CLOCK_INTERVAL: Final = 100 * NS_PER_MS
#: No clock row is made in a pause of all rows that is longer: nothing was recorded then, and features begin anew.
_PAUSE: Final = 10 * NS_PER_S


def read_repaired(
    root: Path, venue: str, symbols: Sequence[str], found: Sequence[Treated], repairs: Repairs
) -> Iterator[Rows]:
    """The rows of `symbols` in what was salvaged, in blocks that end where a venue message ends."""
    mine = {part.about.recording for part in found if part.about.symbol in symbols}
    parts = [part for part in found if part.about.recording in mine]
    refuse_overlap(Part(p.path, p.about) for p in parts if p.about.symbol in symbols and p.state is not State.GONE)
    silent: list[Span] = []
    blocks = whole_messages(_Recordings(root, symbols, parts, repairs, silent).blocks())
    made = 0
    for rows, count in _forwards(root, with_clock(blocks, silent, _interval(parts), _PAUSE)):
        yield rows
        made += count
        if count:
            clock = venue_dir(root, venue) / f"symbol={CLOCK_SYMBOL}"
            repairs.put("clock", str(clock.relative_to(root)), made)


def _forwards(root: Path, blocks: Iterator[tuple[Rows, int]]) -> Iterator[tuple[Rows, int]]:
    """Pass `blocks` on, as long as time does not go back in them."""
    last = 0
    for rows, count in blocks:
        ts = rows["ts_recv"]
        if len(ts) and (ts[0] < last or (ts[1:] < ts[:-1]).any()):
            raise BadInput(
                f"archive {root} is too damaged to be put in order: near ts_recv {last} its files disagree about the "
                "order of their rows; restore it from a copy or import it again",
                reason="shuffled",
            )
        last = int(ts[-1]) if len(ts) else last
        yield rows, count


class _Recordings:
    """An hour after the other, with what is known of each symbol's book from one to the next."""

    def __init__(
        self, root: Path, symbols: Sequence[str], parts: Sequence[Treated], repairs: Repairs, silent: list[Span]
    ) -> None:
        self._root, self._symbols, self._parts = root, symbols, parts
        self._repairs, self._silent = repairs, silent
        self._menders: dict[tuple[str, str], Mender] = {}

    def blocks(self) -> Iterator[Block]:
        for hour in sorted({_hour(part) for part in self._parts}):
            of_hour = [part for part in self._parts if _hour(part) == hour]
            yield from merge_recordings([
                merge_symbols([self._chained(of) for of in by_symbol.values()])
                for by_symbol in self._by_recording(of_hour)
            ])  # fmt: skip

    def _by_recording(self, parts: Sequence[Treated]) -> list[dict[str, list[Treated]]]:
        wanted = (*self._symbols, CLOCK_SYMBOL)
        elsewhere = {part.about.recording for part in parts if part.about.symbol not in wanted}
        found: dict[str, dict[str, list[Treated]]] = {}
        for symbol in wanted:
            for part in sorted((p for p in parts if p.about.symbol == symbol), key=lambda p: p.path):
                found.setdefault(part.about.recording, {}).setdefault(symbol, []).append(part)
        return [by for name, by in found.items() if name not in elsewhere or set(by) != {CLOCK_SYMBOL}]

    def _chained(self, parts: Sequence[Treated]) -> Iterator[Block]:
        for path, about, state in sorted(parts, key=lambda part: (part.about.first_seq, part.state is not State.GONE)):
            mender = self._mender(about)
            if state is State.SOUND:
                yield from mender.sound(path, read_part(path, about))
            else:
                found = Examined.nothing(about) if state is State.GONE else examine(path, about)
                yield from mender.damaged(path, about, found)

    def _mender(self, about: Sidecar) -> Mender:
        key = about.recording, about.symbol
        if key not in self._menders:
            is_clock = about.symbol == CLOCK_SYMBOL
            self._menders[key] = Mender(self._root, self._repairs, self._silent, is_clock=is_clock)
        return self._menders[key]


def _hour(part: Treated) -> int:
    return part.about.first_ts // NS_PER_HOUR


def _interval(parts: Iterable[Treated]) -> int:
    """Ns between clock rows, as the parts of the clock tell."""
    clocks = [part.about for part in parts if part.about.symbol == CLOCK_SYMBOL and part.about.content_sha256]
    found = [(about.last_ts - about.first_ts) / (about.rows - 1) for about in clocks if about.rows > 1]
    return max(1, round(min(found) / NS_PER_MS)) * NS_PER_MS if found else _CLOCK_INTERVAL
