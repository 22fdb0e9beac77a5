from pathlib import Path

import pytest

from app.console.options import UpOptions, parse_clock, parse_duration
from app.core.errors import Misconfigured


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("1.5", 1.5), ("90s", 90), ("5m", 300), (" 2h ", 7200)])
def test_a_duration_is_a_number_with_an_optional_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-3", "5 m", "1d", "1e3", "sixty"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(Misconfigured, match="must be a number above 0, as in 60, 90s, 5m or 2h"):
        parse_duration(text)


def test_an_unknown_clock_names_the_known_ones() -> None:
    assert parse_clock(None) is None
    with pytest.raises(Misconfigured, match="clock 'sun' is not known; known: wall, event"):
        parse_clock("sun")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (UpOptions(live="nasdaq"), "live venue 'nasdaq' is not known; known: bybit"),
        (UpOptions(live="bybit", tape=Path("t")), "--live and --tape exclude each other"),
        (UpOptions(live="bybit", speed=2.0), "--live and --speed exclude each other"),
        (UpOptions(live="bybit", seed=1), "--live and --seed exclude each other"),
        (UpOptions(speed=-1.0), "--speed -1 must be 0"),
        (UpOptions(speed=5.0, clock="wall"), "--speed 5 needs the event clock"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: UpOptions, text: str) -> None:
    with pytest.raises(Misconfigured, match=text):
        options.check()


def test_only_what_was_given_is_recorded() -> None:
    assert UpOptions(for_s=60.0, clock="event").given() == {"for": "60.0", "clock": "event"}
