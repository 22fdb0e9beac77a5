"""What a worker does with one item, and what comes back where it does not get through."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

from app.core.errors import AviaryError
from app.core.logging import configure_logging

T = TypeVar("T")
R = TypeVar("R")

#: Each worker computes on one core. Without these, every one of them would start a thread for each core there is.
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no result.

    `error` is the class of the error, ``Lost`` if the worker ended; `trace` is empty for errors that explain
    themselves. Errors travel as text: not each of them survives pickling.
    """

    error: str
    text: str
    trace: str = ""


def call(function: Callable[[T], R], item: T) -> R | Failure:
    """`function(item)`, or why it failed."""
    try:
        return function(item)
    except AviaryError as error:
        return Failure(type(error).__name__, str(error))
    except (Exception, SystemExit) as error:
        return Failure(type(error).__name__, str(error) or "no text", traceback.format_exc())


def lost(name: str, how: str) -> Failure:
    """The failure of an item on which two workers ended."""
    return Failure(
        "Lost",
        f"the worker at {name} ended before it was done ({how}), and a second one, too; "
        "out of memory is the usual cause, and fewer workers at a time (--jobs) need less of it",
    )


@cache
def only_errors(name: str) -> None:
    """Have this worker log errors alone: the cores of a thousand replays have the same few things to say."""
    configure_logging(name, level="error", file=sys.stderr)
