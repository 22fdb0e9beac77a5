"""Orders from people and guards to the services, and what could not be handled."""

from typing import Literal

import msgspec

from app.messages.base import Message

ControlKind = Literal["HALT", "RESUME", "MODE_SWITCH", "CRIT", "PROMOTE", "ROLLBACK"]


class Control(Message, frozen=True, kw_only=True, tag="control"):
    """A command or announcement on `control:events`. `detail` is kind-specific (e.g. from/to of a switch)."""

    kind: ControlKind
    source: str
    reason: str = ""
    detail: dict[str, str] = msgspec.field(default_factory=dict)


class DeadLetter(Message, frozen=True, kw_only=True, tag="dead"):
    """An entry (or part of one) that could not be decoded or handled; `payload` is base64, cut at 64 KiB."""

    service: str
    stream: str
    entry_id: str
    reason: str
    error: str
    payload: str
    truncated: bool = False
