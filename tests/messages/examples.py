"""Random messages of every type, made from the types themselves so that a new field is covered at once."""

import types
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from app.messages.base import Message
from app.messages.codec import AnyMessage

MESSAGE_TYPES: tuple[type[Message], ...] = get_args(AnyMessage)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=20),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_values, arguments))
    if origin is list:
        return st.lists(_values(arguments[0]), max_size=4)
    if origin is dict:
        return st.dictionaries(_values(arguments[0]), _values(arguments[1]), max_size=3)
    raise TypeError(f"no strategy for {kind}")


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of type `kind`."""
    fields = {field.name: _values(field.type) for field in msgspec.structs.fields(kind) if field.name != "v"}
    return st.builds(kind, **fields)


ANY_MESSAGE = st.sampled_from(MESSAGE_TYPES).flatmap(messages_of)


def example(kind: type[Message]) -> Message:
    """One plain message of type `kind`, always the same."""
    values: dict[Any, Any] = {int: 1, float: 0.5, str: "x", bool: True, Decimal: Decimal("1.50")}
    given = {}
    for field in msgspec.structs.fields(kind):
        if field.required:
            if field.type in values:
                given[field.name] = values[field.type]
            else:
                given[field.name] = get_args(field.type)[0] if get_origin(field.type) is Literal else [0.5]
    return kind(**given)
