"""Writes docs/features.md from the catalogue: `python -m app.features.document [FILE]`."""

import sys
from pathlib import Path

from app.core.clock import NS_PER_S
from app.features.catalogue import (
    BUCKET_TRADES,
    COUNT,
    FEATURES,
    GAP_NS,
    KERNEL_VERSION,
    SCHEMA,
    SLOWEST_NS,
    WARM_UP_MOST_NS,
    Feature,
)

FILE = Path(__file__).resolve().parents[2] / "docs" / "features.md"

_HEAD = f"""# Features

<!-- Made from app/features/catalogue.py by `python -m app.features.document`; a test compares. Do not edit. -->

{COUNT} features, schema `{SCHEMA}`, kernel version {KERNEL_VERSION}. One compiled implementation computes them live, \
in replay and in research. The number is the column, in every signal, archive and model.

At a consistent book, `bid` and `ask` are the best prices in ticks, `qb(i)` and `qa(i)` the quantities at the i-th \
best level, `mid = (bid + ask) / 2`; `t` is event time (`ts_recv`). Sums run over the past since statistics last \
began: at the first row, or anew after {GAP_NS // NS_PER_S} s without any row, a clock row included, and at a clear \
flagged LOST, before which rows are missing. In a formula, the \
window is tau, lag or window.

What that leaves open:

* A message is the rows up to the one flagged LAST; its time is that row's. The book holds the depth rows, not the \
quotes. If a message leaves it crossed, its newer side wins and takes away what it crosses; levels further from the \
touch than `signal_engine.book_ticks` allows are unknown.
* A message counts as a snapshot if it clears a side or any of its rows is flagged SNAPSHOT. What compares the book \
with the one before adds 0 over a snapshot, and over a time in which a side was empty.
* Trades against the bids are those of sellers. A message may have trades and depth: its trades come first.

Of the columns:

* **Sided** features change sign when bids and asks are swapped. A model sees them times the side of the trade.
* **Warm-up** is counted from the instrument's first two-sided book. Before, the value is NaN, and so is every value \
while a side of the book is empty. No trigger fires before all features are ready: {WARM_UP_MOST_NS // NS_PER_S} s.
* **≈** marks those that look further back than that. Until they have seen their window they look over the shorter \
past, and the same market gives other values to an engine that has just begun. Give one that is compared with another, \
or with an archive, a minute and more: after {SLOWEST_NS // NS_PER_S} s of memory two thirds are forgotten, not all.
* **Where there is nothing to say** a number says so, because a venue may never send it and candidates need all \
features. No mark price in the last minute: `basis` is 0 and `mark_known` is 0. No funding rate yet: `funding` is 0. \
No trade yet: flows, rates and `vpin` are 0, and `since_trade` is at its 10 s, as `since_move` is before the mid first \
moves. `vpin` has buckets of \
{BUCKET_TRADES:g} trades of mean size, so that it needs no setting for each instrument.

| # | name | unit | sided | window | warm-up | formula | source |
|--:|---|---|:-:|--:|--:|---|---|
"""


def document() -> str:
    """The page."""
    return _HEAD + "".join(_row(i, feature) for i, feature in enumerate(FEATURES))


def _row(i: int, feature: Feature) -> str:
    warm_up = _seconds(feature.warm_up_ns) + (" ≈" if feature.approximate else "")
    sided = "yes" if feature.sided else ""
    cells = (str(i), f"`{feature.name}`", feature.unit, sided, _seconds(feature.window_ns), warm_up)
    return f"| {' | '.join((*cells, _escaped(feature.formula), _escaped(feature.source)))} |\n"


def _seconds(ns: int) -> str:
    return f"{ns / NS_PER_S:g} s" if ns else "–"


def _escaped(text: str) -> str:
    for character in "\\*|<[]":
        text = text.replace(character, f"\\{character}")
    return text


def main() -> int:
    """Write the page to the file named on the command line, or to where it belongs."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    file.write_text(document(), encoding="utf-8")
    print(f"{COUNT} features written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
