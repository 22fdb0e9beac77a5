"""Everything the venue knows about one symbol."""

from collections import deque
from typing import Final, Literal, NamedTuple

from app.market.instruments import Instrument
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, FUNDING, INDEX, MARK, TRADE, Rows
from app.sandbox.book import Book
from app.sandbox.candles import Candles
from app.sandbox.funding import Funding
from app.sandbox.notation import Notation
from app.sandbox.timeline import Timeline

MAX_RECENT_TRADES: Final = 1000  # what the venue's recent-trade endpoint gives at most

Direction = Literal["PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"]


class Trade(NamedTuple):
    """One public trade. `side` is the aggressor's; `seq` is that of the venue message it came in."""

    when_ns: int
    side: int
    ticks: int
    lots: int
    direction: Direction
    seq: int
    id: str


class Market:
    """Book, trades, bars, prices and funding of one symbol, as of the last venue message applied."""

    def __init__(self, instrument: Instrument, timeline: Timeline) -> None:
        self.instrument = instrument
        self.notation = Notation(instrument)
        self.timeline = timeline
        self.book = Book()
        self.candles = Candles()
        self.funding = Funding(instrument)
        self.seq = 0
        self.recent: deque[Trade] = deque(maxlen=MAX_RECENT_TRADES)
        #: Trades not yet published; the exchange empties it at every step of the grid.
        self.fresh: list[Trade] = []
        self.mark_px: float | None = None
        self.index_px: float | None = None
        self._follows_mid = True
        self._direction: Direction = "ZeroPlusTick"
        self._trades = 0

    @property
    def symbol(self) -> str:
        """The instrument's symbol."""
        return self.instrument.symbol

    @property
    def book_ms(self) -> int:
        """Venue time in ms of the book's last change; of the beginning while there has been none."""
        return self.timeline.ms(self.book.changed_ns or self.timeline.reached_ns)

    def apply(self, when: int, rows: Rows, seq: int) -> None:
        """Apply one venue message of event time `when` (ns); `seq` is its place in the venue's order of things."""
        self.seq = seq
        touched = False
        fields = zip(
            rows["kind"].tolist(),
            rows["side"].tolist(),
            self.notation.ticks(rows),
            self.notation.lots(rows),
            range(len(rows)),
            strict=True,
        )
        for kind, side, ticks, lots, i in fields:
            if kind == DEPTH_SET:
                self.book.set(side, ticks, lots)
                touched = True
            elif kind == TRADE:
                self._trade(int(rows["ts_event"][i]), side, ticks, lots)
            elif kind == DEPTH_CLEAR:
                self.book.clear(side)
                touched = True
            else:
                self._announced(kind, float(rows["px"][i]), float(rows["qty"][i]))
        if touched:
            self.book.changed(when)
            if self._follows_mid:
                self._mark_at_mid()

    def advance(self, now_ms: int) -> None:
        """Time has passed, whether or not anything happened."""
        self.funding.advance(now_ms)

    def last(self) -> Trade | None:
        """The latest trade."""
        return self.recent[-1] if self.recent else None

    def _mark_at_mid(self) -> None:
        mid = self.book.mid_ticks()
        if mid is not None:
            self.mark_px = self.notation.px(mid)

    def _announced(self, kind: int, px: float, qty: float) -> None:
        if kind == MARK:
            self.mark_px, self._follows_mid = px, False
        elif kind == INDEX:
            self.index_px = px
        elif kind == FUNDING:
            # Moved times would put the announced one off the venue's 8-hour grid: then the grid decides.
            self.funding.announce(px, round(qty) * 1000 if self.timeline.shift_ns == 0 else None)

    def _trade(self, when_ns: int, side: int, ticks: int, lots: int) -> None:
        last = self.last()
        if last is not None:
            self._direction = _direction(self._direction, ticks - last.ticks)
        self._trades += 1
        # Shaped like the venue's UUIDs, yet the same in every run: the symbol's id and the trade's number.
        trade_id = f"{self.instrument.id:08x}-0000-5000-8000-{self._trades:012x}"
        trade = Trade(when_ns, side, ticks, lots, self._direction, self.seq, trade_id)
        self.recent.append(trade)
        self.fresh.append(trade)
        self.candles.add(self.timeline.ms(when_ns), ticks, lots)


def _direction(before: Direction, change: int) -> Direction:
    if change > 0:
        return "PlusTick"
    if change < 0:
        return "MinusTick"
    return "ZeroPlusTick" if before in ("PlusTick", "ZeroPlusTick") else "ZeroMinusTick"
