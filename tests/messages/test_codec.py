"""Messages to bytes and back, and what happens to bytes that are no message."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadInput, SchemaMismatch
from app.messages.base import Message
from app.messages.codec import decode, decode_one, encode
from app.messages.execution import Fill
from app.messages.signals import Mark, ScoredSignal, Signal
from tests.messages.examples import ANY_MESSAGE, MESSAGE_TYPES, example, messages_of

GOOD = Mark(ts=1, source="executor")


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_every_type_survives_the_wire_exactly(kind: type[Message]) -> None:
    @given(message=messages_of(kind))
    def survives(message: Message) -> None:
        encoded = encode([message])
        assert decode(encoded) == ([message], [])
        assert encode(decode(encoded)[0]) == encoded
        assert decode_one(encoded[1:-1]) == message

    survives()


@given(messages=st.lists(ANY_MESSAGE, max_size=5))
def test_a_batch_keeps_its_order_and_its_types(messages: list[Message]) -> None:
    good, bad = decode(encode(messages))
    assert (good, bad) == (messages, [])
    assert [type(message) for message in good] == [type(message) for message in messages]


@pytest.mark.parametrize("text", ["0.1", "1E-9", "123456789012345678901234.5678", "-0", "2.50"])
def test_money_is_exact_to_the_digit(text: str) -> None:
    fill = msgspec.structs.replace(example(Fill), px=Decimal(text))
    found = decode_one(encode([fill])[1:-1])
    assert isinstance(found, Fill)
    assert str(found.px) == str(Decimal(text))


def test_an_operator_can_read_an_entry() -> None:
    assert encode([GOOD]) == b'[{"type":"mark","ts":1,"v":1,"source":"executor"}]'


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_a_field_of_a_later_writer_is_no_fault(kind: type[Message]) -> None:
    message = example(kind)
    widened = json.loads(encode([message])[1:-1]) | {"a_field_of_tomorrow": {"deep": [1]}}
    assert decode(json.dumps([widened]).encode()) == ([message], [])


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_an_older_writer_may_leave_out_what_has_a_default(kind: type[Message]) -> None:
    message = example(kind)
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required} | {"type"}
    narrowed = {key: value for key, value in json.loads(encode([message])[1:-1]).items() if key in required}
    assert decode_one(json.dumps(narrowed).encode()) == message


@pytest.mark.parametrize("version", [2, 0, -1])
def test_an_unknown_version_is_refused(version: int) -> None:
    payload = b'{"type":"mark","ts":1,"v":%d,"source":"executor"}' % version
    with pytest.raises(
        SchemaMismatch,
        match=rf"^message type 'mark' has version {version}, this program knows 1 to 1; "
        r"upgrade the reader before the writer$",
    ) as caught:
        decode_one(payload)
    assert caught.value.reason == "unknown_version"


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (b'{"type":"mark","ts":1}', "missing required field `source`"),
        (b'{"type":"mark","ts":"soon","source":"x"}', "Expected `int`, got `str` - at `$.ts`"),
        (b'{"type":"mark","ts":1.5,"source":"x"}', "Expected `int`, got `float` - at `$.ts`"),
        (b'{"type":"nonesuch","ts":1}', "Invalid value 'nonesuch' - at `$.type`"),
        (b'{"ts":1,"source":"x"}', "missing required field `type`"),
        (b"3", "Expected `object`, got `int`"),
    ],
)
def test_one_bad_message_does_not_take_the_others_along(part: bytes, fault: str) -> None:
    good, bad = decode(b"[%s,%s,%s]" % (encode([GOOD])[1:-1], part, encode([GOOD])[1:-1]))
    assert good == [GOOD, GOOD]
    ((payload, error),) = bad
    assert payload == part
    assert str(error).startswith("message cannot be decoded: ")
    assert fault in str(error)
    assert error.reason == "malformed"


def test_a_message_of_another_version_is_set_apart_alone() -> None:
    newer = b'{"type":"mark","ts":1,"v":2,"source":"executor"}'
    good, bad = decode(b"[%s,%s]" % (newer, encode([GOOD])[1:-1]))
    assert good == [GOOD]
    assert [(payload, error.reason) for payload, error in bad] == [(newer, "unknown_version")]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1", b"\xff\xfe", b"null", b"[{]", b'["\\ud800"]'])
def test_what_is_no_array_is_one_bad_message(payload: bytes) -> None:
    good, bad = decode(payload)
    assert good == []
    ((found, error),) = bad
    assert found == payload
    assert str(error).startswith("stream entry is not a JSON array of messages: ")
    assert error.reason == "malformed"


@given(payload=st.binary(max_size=200))
def test_no_bytes_at_all_make_decoding_fail(payload: bytes) -> None:
    good, bad = decode(payload)
    assert not good
    assert all(isinstance(error, BadInput) for _part, error in bad)


@given(batch=st.lists(ANY_MESSAGE, min_size=1, max_size=3), at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_flipped_byte_is_a_message_or_a_refusal(batch: list[Message], at: int, byte: int) -> None:
    damaged = bytearray(encode(batch))
    damaged[at % len(damaged)] = byte
    good, bad = decode(bytes(damaged))
    assert all(isinstance(message, MESSAGE_TYPES) for message in good)
    assert all(isinstance(error, BadInput) for _part, error in bad)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_does_not_cross_the_wire(value: float) -> None:
    """JSON has no NaN: it is written as null, which no reader takes for a number."""
    score = msgspec.structs.replace(example(ScoredSignal), score=value)
    good, ((_payload, error),) = decode(encode([score]))
    assert good == []
    assert "Expected `float`, got `null` - at `$.score`" in str(error)
    signal = msgspec.structs.replace(example(Signal), features=[1.0, value])
    assert decode(encode([signal]))[0] == []
