"""The wire contract: what archives, records and other programs already rely upon."""

import msgspec
import pytest

from app.messages.base import Message
from tests.messages.examples import MESSAGE_TYPES, example

# Fields as they were first written. New ones are appended, with a default; these stay as they are.
CONTRACT = {
    "signal": "id strategy symbol kind side ts_event bid ask features schema position_id",
    "scored": "id strategy symbol kind side ts_event bid ask score model_id tau_entry tau_hold arm shadow_score "
    "shadow_model_id position_id",
    "approved": "id strategy symbol kind side ts_event bid ask score model_id tau_hold max_notional stop_loss_bps "
    "take_profit_bps max_hold_ms route position_id",
    "dropped": "id strategy symbol reason model_id detail",
    "mark": "source",
    "order": "order_id signal_id strategy symbol leg side status px qty filled_qty reason model_id route late",
    "fill": "fill_id order_id signal_id strategy symbol leg side px qty fee liquidity model_id route",
    "funding": "signal_id strategy symbol amount rate mark_px model_id",
    "trade": "signal_id strategy symbol side qty entry_ts entry_px exit_px gross fees funding pnl exit_reason score "
    "model_id route markouts_bps",
    "equity": "strategy model_id cash position_value equity open_positions",
    "control": "kind source reason detail",
    "dead": "service stream entry_id reason error payload truncated",
}
TAGS = {str(kind.__struct_config__.tag): kind for kind in MESSAGE_TYPES}


def test_every_type_is_under_contract() -> None:
    assert set(TAGS) == set(CONTRACT)
    assert len(TAGS) == len(MESSAGE_TYPES)


@pytest.mark.parametrize("tag", CONTRACT)
def test_fields_keep_their_names_and_order_and_new_ones_have_defaults(tag: str) -> None:
    fields = msgspec.structs.fields(TAGS[tag])
    pinned = ["ts", "v", *CONTRACT[tag].split()]
    assert [field.encode_name for field in fields[: len(pinned)]] == pinned
    assert [field.name for field in fields[len(pinned) :] if field.required] == []


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_messages_are_frozen_and_carry_their_version(kind: type[Message]) -> None:
    message = example(kind)
    assert message.v == kind.VERSION
    with pytest.raises(AttributeError, match="immutable"):
        message.ts = 2  # type: ignore[misc]
