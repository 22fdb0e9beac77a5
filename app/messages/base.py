"""What every stream message has in common.

Evolution: a new field comes last and has a default; a field is never retyped or reused. A change that an old
reader would misunderstand raises the type's `VERSION`, and readers dead-letter versions above their own.
"""

from typing import ClassVar

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all stream messages. `ts` is the event time in ns at which the sender knew it."""

    VERSION: ClassVar[int] = 1

    ts: int
    v: int = 1
