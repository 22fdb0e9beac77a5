"""Histories of orders from which fill curves are fitted, as CSV: one order a line.

Columns `touch`, `optimistic`, `proportional`, `risk_averse`: 1 if that model had filled the order by the time it
ended, else 0. `filled`: 1 if the venue really filled any of it. For one's own orders the four come from simulating
each with those queue models on the recorded market, the last from the venue's fills.
"""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from app.core.errors import Misconfigured
from app.sim.fills.curve import RUNGS, Flags
from app.sim.fills.flow import I64, as_ints

COLUMNS: Final = ("touch", "optimistic", "proportional", "risk_averse", "filled")


def read_history(path: Path) -> tuple[I64, Flags]:
    """The rung each order had reached when it ended, and whether it was filled.

    Raises:
        Misconfigured: the file cannot be read, lacks a column, holds something other than 0 and 1, or a model says
            filled that the one before it, more generous, does not.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"history {path} cannot be read: {error}") from None
    flags = np.array([_flags(path, number, line) for number, line in enumerate(lines, start=2)], np.int64)
    flags = flags.reshape(len(lines), len(COLUMNS))
    return as_ints(flags[:, : RUNGS - 1].sum(axis=1)), flags[:, -1] == 1


def write_history(path: Path, rungs: I64, filled: Flags) -> None:
    """Write what `read_history` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for rung, hit in zip(rungs.tolist(), filled.tolist(), strict=True):
            writer.writerow([*(int(rung > model) for model in range(RUNGS - 1)), int(hit)])


def _flags(path: Path, number: int, line: dict[str, str | None]) -> list[int]:
    values = [line.get(name) for name in COLUMNS]
    if any(value not in ("0", "1") for value in values):
        raise Misconfigured(
            f"history {path}, line {number}: expected 0 or 1 in each of {', '.join(COLUMNS)}, "
            f"got {', '.join(map(str, values))}"
        )
    flags = [int(value == "1") for value in values]
    if sorted(flags[:-1], reverse=True) != flags[:-1]:
        raise Misconfigured(
            f"history {path}, line {number}: {', '.join(COLUMNS[:-1])} are {flags[:-1]}, but an order that one model "
            "fills is filled by each more generous one before it; simulate all four on the same market data"
        )
    return flags
