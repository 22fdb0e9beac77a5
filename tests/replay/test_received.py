"""Two markets in one stream: what happens at the venue, and what reaches us."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.market.rows import CLOCK, VENUE_ONLY, VIEW_ONLY, Rows
from app.market.venue_messages import ends
from app.replay import run
from app.settings import Settings

Paper = tuple[Path, dict[str, Any]]


def split(blocks: Iterator[Rows]) -> Iterator[Rows]:
    """Every message twice: once for each market."""
    for rows in blocks:
        told = rows["kind"] != CLOCK
        copies = rows[told].copy()
        copies["flags"] |= VIEW_ONLY
        originals = rows.copy()
        originals["flags"][told] |= VENUE_ONLY
        message = np.cumsum(ends(rows)) - ends(rows)
        together = np.concatenate([originals, copies])
        yield together[np.argsort(np.concatenate([message, message[told]]), kind="stable")]


def test_that_there_are_two_markets_changes_nothing_as_long_as_they_are_the_same(
    paper: Paper, settings: Settings
) -> None:
    plain, twice = (run(settings, paper[0] / "archive", transform=made) for made in (None, split))
    assert twice.rows > 1.5 * plain.rows
    assert twice.records == plain.records
    assert plain.trades


def test_what_does_not_reach_us_raises_no_signal_and_fills_all_the_same(paper: Paper, settings: Settings) -> None:
    plain = run(settings, paper[0] / "archive")
    first, last = plain.source.span
    half = (first + last) // 2

    def deaf(blocks: Iterator[Rows]) -> Iterator[Rows]:
        for rows in blocks:
            rows = rows.copy()
            rows["flags"][(rows["ts_recv"] >= half) & (rows["kind"] != CLOCK)] |= VENUE_ONLY
            yield rows

    found = run(settings, paper[0] / "archive", transform=deaf)
    assert found.books.balance
    assert max(trade.entry_ts for trade in plain.trades) > half
    before = [m for m in plain.gathered.money if m.ts < half]
    assert [m for m in found.gathered.money if m.ts < half] == before
    # Orders that rested at that time were filled, or expired, by a market that we did not see.
    entered = {m.signal_id for m in found.gathered.money if getattr(m, "leg", "") == "entry" and m.ts >= half}
    assert entered <= {m.signal_id for m in before if getattr(m, "leg", "") == "entry"}
    assert found.tally.closed_trades < plain.tally.closed_trades
    assert not found.tally.open_positions
