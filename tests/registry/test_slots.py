"""Registering, promoting, rolling back; nothing is loaded that is not listed."""

import itertools
import multiprocessing
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.core.errors import Misconfigured
from app.registry.files import write_atomically
from app.registry.manifest import MANIFEST_FILE, read_manifest
from app.registry.slots import load, load_active, promote, register
from tests.registry.bundles import bundle

AT = datetime(2024, 8, 9, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry with two models and nothing in its slots."""
    for name in ("first", "second"):
        register(tmp_path / "registry", bundle(name), notes=f"notes on {name}")
    return tmp_path / "registry"


def test_what_a_slot_holds_is_loaded(registry: Path) -> None:
    assert load(registry, "shadow") is None
    promote(registry, "active", "first", at=AT)
    promote(registry, "shadow", "second", at=AT)
    assert load_active(registry) == bundle("first")
    assert load(registry, "shadow") == bundle("second")


def test_history_tells_what_to_roll_back_to(registry: Path) -> None:
    promote(registry, "active", "first", at=AT)
    switch = promote(registry, "active", "second", at=AT)
    assert switch.before == "first"
    promote(registry, "active", switch.before, at=AT)
    assert [(s.before, s.after) for s in read_manifest(registry).history] == [
        (None, "first"),
        ("first", "second"),
        ("second", "first"),
    ]
    assert load_active(registry).card.id == "first"


def test_shadow_can_be_emptied_and_active_cannot(registry: Path) -> None:
    promote(registry, "shadow", "second", at=AT)
    promote(registry, "shadow", None, at=AT)
    assert load(registry, "shadow") is None
    with pytest.raises(Misconfigured, match="active slot cannot be emptied"):
        promote(registry, "active", None, at=AT)


def test_an_empty_active_slot_says_how_to_fill_it(registry: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no active model; promote one with scripts/promote_model\.py --to active"):
        load_active(registry)


def test_an_unknown_model_is_refused_and_the_known_are_named(registry: Path) -> None:
    with pytest.raises(Misconfigured, match=r"model 'third' is not registered \(known: first, second\)"):
        promote(registry, "active", "third", at=AT)


def test_a_damaged_model_is_not_promoted(registry: Path) -> None:
    promote(registry, "active", "first", at=AT)
    (registry / "second" / "model.onnx").write_bytes(b"other")
    with pytest.raises(Misconfigured, match="is not the registered one"):
        promote(registry, "active", "second", at=AT)
    assert load_active(registry).card.id == "first"


def test_an_id_is_registered_once(registry: Path) -> None:
    with pytest.raises(Misconfigured, match="'first' is registered already"):
        register(registry, bundle("first", model=b"new"), notes="")
    assert (registry / "first" / "model.onnx").read_bytes() == bundle().model
    register(registry, bundle("first", model=b"new"), notes="", replace=True)
    assert [entry.id for entry in read_manifest(registry).entries] == ["second", "first"]
    assert promote(registry, "active", "first", at=AT).after == "first"


def test_a_card_that_contradicts_its_entry_is_refused(registry: Path) -> None:
    path = registry / MANIFEST_FILE
    path.write_bytes(path.read_bytes().replace(b'"tau_entry": 0.6', b'"tau_entry": 0.1', 1))
    with pytest.raises(Misconfigured, match="'first': manifest and card disagree on thresholds"):
        promote(registry, "active", "first", at=AT)


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        (b'"active": null', b'"active": "ghost"', "slot active holds 'ghost', which is not registered"),
        (b'"second"', b'"first"', "'first' is registered twice"),
        (b'"path": "first"', b'"path": "../first"', r"matching regex .* - at `\$.entries\[0\].path`"),
        (b'"path": "first"', b'"path": ".."', r"matching regex .* - at `\$.entries\[0\].path`"),
        (b'"notes"', b'"note"', "`note`"),
        (b'"slots"', b'"slot"', "`slot`"),
        (b"{", b"<", "malformed"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(registry: Path, before: bytes, after: bytes, match: str) -> None:
    path = registry / MANIFEST_FILE
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    with pytest.raises(Misconfigured, match=rf"model manifest .* cannot be read: .*{match}.*; restore the file"):
        load_active(registry)


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"has no manifest .*nowhere/manifest\.json; set ai_scorer\.registry"):
        promote(tmp_path / "nowhere", "active", "first", at=AT)


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _promote_often(registry: Path, model_id: str) -> None:
    for _ in range(10):
        promote(registry, "shadow", model_id, at=AT)


def test_two_promoters_at_once_lose_nothing(registry: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_promote_often, args=(registry, name)) for name in ("first", "second")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    history = read_manifest(registry).history
    assert len(history) == 20
    assert all(later.before == earlier.after for earlier, later in itertools.pairwise(history))


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/promote_model.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_promotes_and_explains_failure(registry: Path) -> None:
    done = _script("--to", "active", "--id", "first", "--registry", str(registry))
    assert (done.returncode, done.stdout) == (0, "active: None -> first; restart ai_scorer to load it\n")
    assert load_active(registry).card.id == "first"
    failed = _script("--to", "active", "--id", "third", "--registry", str(registry))
    assert failed.returncode == 2
    assert failed.stderr == "model 'third' is not registered (known: first, second)\n"


def test_entries_carry_what_the_manifest_promises(registry: Path) -> None:
    listed = msgspec.json.decode((registry / MANIFEST_FILE).read_bytes())["entries"][0]
    assert {"id", "created_at", "schema_hash", "thresholds", "path", "notes", "hashes"} == set(listed)
    assert listed["notes"] == "notes on first"
