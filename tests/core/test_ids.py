"""Identifiers: the same cause always gives the same one, and their values are part of the record."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import client_order_id, derived_id, signal_id

NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=24)


def test_values_are_fixed() -> None:
    """Archives and books refer to these: a change of the rule orphans them."""
    assert signal_id("scalper", "BTCUSDT", 1_700_000_000_000_000_000, "entry") == "alsyt3zogs27xnkf"
    assert client_order_id("alsyt3zogs27xnkf", "take_profit", 2) == "alsyt3zogs27xnkf-take_pro-2"


@given(parts=st.lists(NAMES, max_size=5))
def test_an_id_depends_on_its_parts_alone(parts: list[str]) -> None:
    assert derived_id(*parts) == derived_id(*parts)
    assert re.fullmatch(r"[a-z2-7]{16}", derived_id(*parts))


@given(one=st.lists(NAMES, max_size=4), other=st.lists(NAMES, max_size=4))
def test_other_parts_give_another_id(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other or (not any(one) and not any(other)))


def test_where_parts_are_split_matters() -> None:
    assert len({derived_id("a", "bc"), derived_id("ab", "c"), derived_id("abc"), derived_id("c", "ab")}) == 4


@given(ts=st.integers(0, 2**63 - 1), leg=st.sampled_from(["entry", "take_profit", "exit"]), n=st.integers(0, 9999))
def test_order_ids_suit_a_venue(ts: int, leg: str, n: int) -> None:
    order = client_order_id(signal_id("scalper", "BTCUSDT", ts, "entry"), leg, n)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", order)
