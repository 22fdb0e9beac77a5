"""A ring of bits inside an int64 vector: which slots of a dense array are in use, and which one is next.

`bits[offset : offset + words]` holds 64 slots a word. All functions are kernels, for use inside kernels.
"""

# mypy: no-warn-return-any

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from app.market.compiled import kernel

I64 = npt.NDArray[np.int64]


def _count(builder_method: str) -> Any:
    def typed(_context: Any, _word: Any) -> Any:
        def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return getattr(builder, builder_method)(arguments[0], ir.Constant(ir.IntType(1), 0))

        return types.int64(types.int64), codegen

    return intrinsic(typed)


_trailing_zeros = _count("cttz")
_leading_zeros = _count("ctlz")


@kernel
def mark(bits: I64, offset: int, slot: int) -> None:
    """Put `slot` in use."""
    bits[offset + (slot >> 6)] |= 1 << (slot & 63)


@kernel
def unmark(bits: I64, offset: int, slot: int) -> None:
    """Take `slot` out of use."""
    bits[offset + (slot >> 6)] &= ~(1 << (slot & 63))


@kernel
def next_up(bits: I64, offset: int, words: int, slot: int) -> int:
    """The first slot in use at `slot` or above, going round past the end; -1 if none is."""
    at = slot >> 6
    word = bits[offset + at] & (-1 << (slot & 63))
    # The first word is looked at twice: the second time for the slots below `slot`.
    for _ in range(words + 1):
        if word != 0:
            return (at << 6) + _trailing_zeros(word)
        at = at + 1 if at + 1 < words else 0
        word = bits[offset + at]
    return -1


@kernel
def next_down(bits: I64, offset: int, words: int, slot: int) -> int:
    """The first slot in use at `slot` or below, going round past the start; -1 if none is."""
    at = slot >> 6
    word = bits[offset + at] & ~(-2 << (slot & 63))
    for _ in range(words + 1):
        if word != 0:
            return (at << 6) + 63 - _leading_zeros(word)
        at = at - 1 if at > 0 else words - 1
        word = bits[offset + at]
    return -1
