"""The public topics: ``orderbook.{1|50|200}.SYMBOL``, ``publicTrade.SYMBOL``, ``tickers.SYMBOL``."""

from typing import Final, NamedTuple

from app.core.clock import NS_PER_MS

#: Push interval of each order book depth, in ns of event time.
BOOK_INTERVALS: Final = {1: 10 * NS_PER_MS, 50: 20 * NS_PER_MS, 200: 100 * NS_PER_MS}
TICKER_INTERVAL: Final = 100 * NS_PER_MS


class Topic(NamedTuple):
    """A parsed topic; `depth` is 0 unless it is an order book."""

    kind: str
    depth: int
    symbol: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.depth}.{self.symbol}" if self.depth else f"{self.kind}.{self.symbol}"


def parse_topic(text: str) -> Topic | None:
    """The topic `text` names, or None if the venue has no such topic. The symbol is not looked up."""
    match text.split("."):
        case ["orderbook", depth, symbol] if depth in map(str, BOOK_INTERVALS):
            return Topic("orderbook", int(depth), symbol)
        case ["publicTrade" | "tickers" as kind, symbol]:
            return Topic(kind, 0, symbol)
        case _:
            return None


def topics_of(symbol: str) -> list[Topic]:
    """All topics of a symbol, in the order in which they are published within one step of the grid."""
    return [
        Topic("publicTrade", 0, symbol),
        *(Topic("orderbook", depth, symbol) for depth in BOOK_INTERVALS),
        Topic("tickers", 0, symbol),
    ]
