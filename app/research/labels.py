"""Labels: what the mid did after a moment, as seen from a trade's side."""

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def forward_move(mid_ts: I64, mid: F64, at: I64, *, horizon_ns: int) -> F64:
    """mid(at + horizon) - mid(at), each the last one known at that time.

    Args:
        mid_ts: (n,) times in ns, not decreasing.
        mid: (n,) the mids from those times on, in any unit.
        at: (m,) times in ns, none before the first of `mid_ts`.

    Returns:
        (m,) moves in the unit of `mid`; NaN where the recording ends before `at` + horizon: what is not known
        then is not zero.
    """
    if not len(mid_ts):
        return np.full(len(at), np.nan)
    now = np.searchsorted(mid_ts, at, side="right") - 1
    later = np.searchsorted(mid_ts, at + horizon_ns, side="right") - 1
    moves = mid[later] - mid[now]
    return np.where((at + horizon_ns <= mid_ts[-1]) & (now >= 0), moves, np.nan)


def pays(move: F64, side: I64, spread: F64, *, margin: F64) -> Flags:
    """Whether the mid moved the trade's way by enough: side · move > spread / 2 + margin, all of one unit.

    Half the spread is what leaving at once at the other side of the book costs, seen from the mid;
    `margin` what a move has to bring beyond that to be worth telling from noise. Fees are not in it.
    """
    return np.asarray(side * move > spread / 2 + margin)
