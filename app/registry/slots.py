"""Register bundles, move them between slots, and load what a slot holds."""

from datetime import datetime
from pathlib import Path

import msgspec

from app.core.errors import Misconfigured
from app.registry.bundle import Bundle, Card, read_bundle, write_bundle
from app.registry.files import locked
from app.registry.manifest import (
    MANIFEST_FILE,
    Entry,
    Manifest,
    Slot,
    Switch,
    read_manifest,
    write_manifest,
)


def load(registry: Path, slot: Slot) -> Bundle | None:
    """The verified bundle in `slot`, or None if the slot is empty.

    Raises:
        Misconfigured: the manifest or the bundle is missing, damaged, or not what was registered.
    """
    manifest = read_manifest(registry)
    held = manifest.slots.active if slot == "active" else manifest.slots.shadow
    return None if held is None else load_entry(registry, manifest.entry(held))


def load_active(registry: Path) -> Bundle:
    """The verified bundle in the active slot.

    Raises:
        Misconfigured: as `load`, or the slot is empty.
    """
    bundle = load(registry, "active")
    if bundle is None:
        raise Misconfigured(
            f"model registry {registry} has no active model; promote one with "
            "scripts/promote_model.py --to active --id MODEL_ID"
        )
    return bundle


def load_entry(registry: Path, entry: Entry) -> Bundle:
    """The verified bundle of `entry`.

    Raises:
        Misconfigured: a file is missing or changed, or the card contradicts the entry.
    """
    bundle = read_bundle(registry / entry.path, entry.hashes)
    for name in ("id", "created_at", "schema_hash", "thresholds"):
        listed, carded = getattr(entry, name), getattr(bundle.card, name)
        if listed != carded:
            raise Misconfigured(
                f"model {entry.id!r}: manifest and card disagree on {name} ({listed} and {carded}); "
                "register the bundle again"
            )
    return bundle


def register(registry: Path, bundle: Bundle, *, notes: str, replace: bool = False) -> Entry:
    """Write `bundle` into `registry` (made if need be) and list it in the manifest; no slot changes.

    Raises:
        Misconfigured: the id is registered already and `replace` is not set.
    """
    registry.mkdir(parents=True, exist_ok=True)
    with locked(registry):
        manifest = read_manifest(registry) if (registry / MANIFEST_FILE).exists() else Manifest()
        others = [known for known in manifest.entries if known.id != bundle.card.id]
        if len(others) < len(manifest.entries) and not replace:
            raise Misconfigured(
                f"model {bundle.card.id!r} is registered already, and bundles are not changed in place; "
                "choose another id"
            )
        entry = _listed(bundle.card, write_bundle(registry / bundle.card.id, bundle), notes)
        write_manifest(registry, msgspec.structs.replace(manifest, entries=[*others, entry]))
    return entry


def promote(registry: Path, slot: Slot, model_id: str | None, *, at: datetime) -> Switch:
    """Put `model_id` into `slot` (None empties it) and record that in the history. Services read it when they start.

    Raises:
        Misconfigured: the model is not registered or its files are not the registered ones; or the active slot
            would be emptied.
    """
    if model_id is None and slot == "active":
        raise Misconfigured("the active slot cannot be emptied; promote another model instead")
    read_manifest(registry)  # a folder that is no registry is not locked but named
    # Two people promoting at once must not lose one's switch; readers need no lock, the file is replaced whole.
    with locked(registry):
        manifest = read_manifest(registry)
        if model_id is not None:
            load_entry(registry, manifest.entry(model_id))
        switch = Switch(at=at, slot=slot, before=getattr(manifest.slots, slot), after=model_id)
        slots = msgspec.structs.replace(manifest.slots, **{slot: model_id})
        write_manifest(registry, msgspec.structs.replace(manifest, slots=slots, history=[*manifest.history, switch]))
    return switch


def _listed(card: Card, hashes: dict[str, str], notes: str) -> Entry:
    return Entry(
        id=card.id,
        created_at=card.created_at,
        schema_hash=card.schema_hash,
        thresholds=card.thresholds,
        path=card.id,
        notes=notes,
        hashes=hashes,
    )
