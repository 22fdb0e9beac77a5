"""Moving rows inside an array from within a kernel, where slices cannot be assigned."""

from typing import Any

import numpy.typing as npt

from app.market.compiled import kernel


@kernel
def move_row(rows: npt.NDArray[Any], source: int, target: int) -> None:
    """Copy row `source` of a two-dimensional array over row `target`."""
    for column in range(rows.shape[1]):
        rows[target, column] = rows[source, column]
