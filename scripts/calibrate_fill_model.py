"""Fit the fill curve: how likely an order was filled, given which queue models say so.

The history is either order-level days (--l3: LOBSTER zips or CSVs, where every order's fate is known) or a CSV of past
orders (--fills; columns touch, optimistic, proportional, risk_averse, filled, each 0 or 1). Either may be given several
times. `python -m benchmarks.fill_model --curve FILE` scores the result on days it was not fitted to.

Exit code 0: fitted; 2: misuse, nothing to fit, or a file that cannot be written.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.errors import BadInput, Misconfigured
from app.importers.lobster.l3 import read_l3
from app.sim.fills.curve import FillCurve, Flags, fit_curve
from app.sim.fills.flow import I64
from app.sim.fills.history import read_history, write_history
from app.sim.fills.models import day_of

RUNGS = ("never traded", "traded", "optimistic", "proportional", "risk averse")


def of_day(path: Path) -> tuple[I64, Flags]:
    """The rungs and fates of all orders of an order-level day."""
    day = day_of(read_l3(path))
    return day.rungs(), day.truth.was_filled()


def table(curve: FillCurve) -> str:
    """The curve for people."""
    lines = [f"{'filled according to':<20}{'orders':>10}{'filled':>10}{'probability':>13}"]
    for name, orders, filled, probability in zip(RUNGS, curve.orders, curve.filled, curve.probability, strict=True):
        lines.append(f"{name:<20}{orders:>10}{filled:>10}{probability:>13.5f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--l3", type=Path, action="append", default=[], metavar="PATH", help="a LOBSTER zip or CSV")
    parser.add_argument("--fills", type=Path, action="append", default=[], metavar="CSV", help="a history of orders")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the curve here")
    parser.add_argument("--dump", type=Path, metavar="CSV", help="write the history, as --fills reads it, here")
    given = parser.parse_args()
    if not given.l3 and not given.fills:
        parser.error("no history: give --l3 or --fills")
    try:
        histories = [of_day(path) for path in given.l3] + [read_history(path) for path in given.fills]
        rungs, filled = (np.concatenate(columns) for columns in zip(*histories, strict=True))
        curve = fit_curve(rungs, filled)
    except (BadInput, Misconfigured) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        if given.dump is not None:
            write_history(given.dump, rungs, filled)
        if given.out is not None:
            given.out.write_text(curve.to_json() + "\n", encoding="utf-8")
    except OSError as error:
        print(
            f"{error.filename} cannot be written ({error.strerror}); name another with --out or --dump", file=sys.stderr
        )
        return 2
    print(table(curve))
    return 0


if __name__ == "__main__":
    sys.exit(main())
