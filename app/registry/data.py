"""What the registry's JSON files have in common."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

ModelId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every object in those files: frozen, and unknown keys are refused."""


class Thresholds(Part, frozen=True, kw_only=True):
    """Scores from which an entry is taken and down to which a position is kept."""

    tau_entry: Probability
    tau_hold: Probability


def to_json(value: Any) -> bytes:
    """Canonical JSON: fields in the order of their definition, mappings sorted, two spaces, a final newline."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2) + b"\n"
