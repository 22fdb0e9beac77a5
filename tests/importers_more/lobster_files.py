"""Writes LOBSTER days, line by line."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

NAME = "{symbol}_2012-06-21_34200000_57600000_{kind}_{levels}.csv"
DUMMY = 9_999_999_999

Side = list[tuple[int, int]]


@dataclass
class Day:
    """A day of a book that is `levels` deep. Prices are in cents here."""

    levels: int = 2
    symbol: str = "TEST"
    messages: list[str] = field(default_factory=list)
    books: list[str] = field(default_factory=list)

    def add(self, message: str, bids: Side, asks: Side) -> "Day":
        """One message (`time,type,id,size,price,direction`, as in the file) and the book after it, best first."""
        self.messages.append(message)
        self.books.append(self.book(bids, asks))
        return self

    def book(self, bids: Side, asks: Side) -> str:
        cells = []
        for level in range(self.levels):
            ask = (asks[level][0] * 100, asks[level][1]) if level < len(asks) else (DUMMY, 0)
            bid = (bids[level][0] * 100, bids[level][1]) if level < len(bids) else (-DUMMY, 0)
            cells += [*ask, *bid]
        return ",".join(map(str, cells))

    def names(self) -> tuple[str, str]:
        message, orderbook = (
            NAME.format(symbol=self.symbol, kind=kind, levels=self.levels) for kind in ("message", "orderbook")
        )
        return message, orderbook

    def texts(self) -> tuple[str, str]:
        return "\n".join([*self.messages, ""]), "\n".join([*self.books, ""])

    def write(self, folder: Path) -> Path:
        """The pair of CSV files; the path of the messages."""
        for name, text in zip(self.names(), self.texts(), strict=True):
            (folder / name).write_text(text)
        return folder / self.names()[0]

    def zip(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ReadMe.txt", "about")
            for name, text in zip(self.names(), self.texts(), strict=True):
                archive.writestr(name, text)
        return path


def ordinary() -> Day:
    """An order, one that betters it, a trade that takes it, a hidden trade between two ticks, a cancel, a halt."""
    day = Day()
    day.add("34200.1,1,1,100,1000000,1", [(10000, 100)], [(10002, 50)])
    day.add("34200.25,1,2,10,1000100,1", [(10001, 10), (10000, 100)], [(10002, 50)])
    day.add("34200.300000001,4,2,10,1000100,1", [(10000, 100)], [(10002, 50)])
    day.add("34200.4,5,0,7,1000150,-1", [(10000, 100)], [(10002, 50)])
    day.add("34200.5,2,1,40,1000000,1", [(10000, 60)], [(10002, 50)])
    day.add("34200.6,7,0,0,-1,-1", [(10000, 60)], [(10002, 50)])
    day.add("34200.7,3,9,50,1000200,-1", [(10000, 60)], [])
    return day
