"""The manifest: every registered bundle, which slot holds which, and how that came to be."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.errors import Misconfigured
from app.registry.data import Instant, ModelId, Part, Thresholds, to_json
from app.registry.files import write_atomically

MANIFEST_FILE = "manifest.json"

Slot = Literal["active", "shadow"]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Entry(Part, frozen=True, kw_only=True):
    """A registered bundle. `path` is its folder, relative to the registry; `hashes` are those of its files."""

    id: ModelId
    created_at: Instant
    schema_hash: str
    thresholds: Thresholds
    path: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    notes: str
    hashes: dict[str, Sha256]


class Slots(Part, frozen=True, kw_only=True):
    """The model in each slot: `active` decides, `shadow` is scored beside it."""

    active: ModelId | None = None
    shadow: ModelId | None = None


class Switch(Part, frozen=True, kw_only=True):
    """One change of a slot. `before` and `after` are model ids; None is an empty slot."""

    at: Instant
    slot: Slot
    before: ModelId | None
    after: ModelId | None


class Manifest(Part, frozen=True, kw_only=True):
    """All entries, the slots, and every switch so far, oldest first."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    slots: Slots = Slots()
    history: list[Switch] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.entries]
        if repeated := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"{repeated[0]!r} is registered twice")
        for slot in ("active", "shadow"):
            held = getattr(self.slots, slot)
            if held is not None and held not in ids:
                raise ValueError(f"slot {slot} holds {held!r}, which is not registered")

    def entry(self, model_id: str) -> Entry:
        """The entry of `model_id`.

        Raises:
            Misconfigured: there is none; the known ids are named.
        """
        for entry in self.entries:
            if entry.id == model_id:
                return entry
        known = ", ".join(entry.id for entry in self.entries) or "none"
        raise Misconfigured(f"model {model_id!r} is not registered (known: {known})")


_manifests = msgspec.json.Decoder(Manifest)


def read_manifest(registry: Path) -> Manifest:
    """The manifest of the registry in folder `registry`.

    Raises:
        Misconfigured: the file is missing, is not JSON, or breaks a rule.
    """
    path = registry / MANIFEST_FILE
    try:
        return _manifests.decode(path.read_bytes())
    except FileNotFoundError:
        raise Misconfigured(
            f"model registry has no manifest {path}; set ai_scorer.registry, or train and register a model "
            "with scripts/train_baseline.py"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Misconfigured(f"model manifest {path} cannot be read: {error}; restore the file") from None


def write_manifest(registry: Path, manifest: Manifest) -> None:
    """Replace the manifest of `registry` atomically."""
    write_atomically(registry / MANIFEST_FILE, to_json(manifest))
