"""What `warm` compiles is all that a service uses."""

import gc
import sys
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from app.features.warm import main, warm
from app.market.book import Book
from tests.features.tapes import tape
from tests.features.test_battery import TAPE, feed, make_engine
from tests.market.builders import instrument


def _compiled() -> dict[str, int]:
    """How many argument types each of our kernels is compiled for."""
    found: dict[str, int] = {}
    for thing in gc.get_objects():
        if isinstance(thing, Dispatcher) and str(thing.py_func.__module__).startswith(("app.market", "app.features")):
            kernel: Any = thing
            found[f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"] = len(kernel.signatures)
    return found


def test_after_warming_up_nothing_is_left_to_compile() -> None:
    warm()
    before = _compiled()
    assert before["app.features.run.run"] == 1
    engine = make_engine()
    feed(engine, TAPE)
    engine.set_state(engine.state())
    book = Book(instrument())
    book.advance(tape(1, 50))
    book.levels(5)
    book.best()
    assert _compiled() == before


def test_it_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "book and feature kernels ready in " in capsys.readouterr().out
    assert "app.features.warm" in sys.modules
