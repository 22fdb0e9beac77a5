"""A bundle is what was registered, to the byte, or it is not loaded."""

from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.registry.bundle import CARD_FILE, MODEL_FILE, decode_card, read_bundle, write_bundle
from app.registry.data import to_json
from tests.registry.bundles import bundle, card


def test_a_bundle_comes_back_as_it_was_written(tmp_path: Path) -> None:
    hashes = write_bundle(tmp_path / "first", bundle())
    assert set(hashes) == {MODEL_FILE, CARD_FILE}
    assert read_bundle(tmp_path / "first", hashes) == bundle()


@pytest.mark.parametrize("name", [MODEL_FILE, CARD_FILE])
def test_one_changed_bit_is_refused(tmp_path: Path, name: str) -> None:
    hashes = write_bundle(tmp_path, bundle())
    content = bytearray((tmp_path / name).read_bytes())
    content[3] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        Misconfigured, match=rf"{name} is not the registered one: expected SHA-256 {hashes[name][:12]}…"
    ):
        read_bundle(tmp_path, hashes)


@pytest.mark.parametrize("name", [MODEL_FILE, CARD_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    hashes = write_bundle(tmp_path, bundle())
    (tmp_path / name).unlink()
    with pytest.raises(Misconfigured, match=rf"{name} cannot be read \(No such file or directory\); restore it"):
        read_bundle(tmp_path, hashes)


def test_a_file_the_manifest_does_not_vouch_for_is_refused(tmp_path: Path) -> None:
    hashes = write_bundle(tmp_path, bundle())
    with pytest.raises(Misconfigured, match=r"model\.onnx has no hash in its manifest entry"):
        read_bundle(tmp_path, {CARD_FILE: hashes[CARD_FILE]})


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        (b'"schema_hash"', b'"schema"', "missing required field `schema_hash`|unknown field `schema`"),
        (b'"tau_entry": 0.6', b'"tau_entry": 1.6', r"`float` <= 1.0 - at `\$.thresholds.tau_entry`"),
        (b'"id": "first"', b'"id": "../first"', r"matching regex .* - at `\$.id`"),
        (b"2024-08-09T00:00:00Z", b"2024-08-09T00:00:00", r"timezone component - at `\$.created_at`"),
        (b"0.25", b"0.25, 0.5", "as many scores as inputs"),
        (b'"imbalance_5"', b'"imbalance_5", "ofi"', "every golden input needs 3 values"),
        (b"{", b"<", "malformed"),
    ],
)
def test_a_card_that_breaks_a_rule_is_refused(before: bytes, after: bytes, match: str) -> None:
    payload = to_json(card())
    assert before in payload
    with pytest.raises(Misconfigured, match=rf"model card some/model\.json cannot be read: .*({match}).*; restore"):
        decode_card(payload.replace(before, after, 1), where="some/model.json")


def test_json_is_canonical() -> None:
    assert to_json({"b": 1, "a": [1.5]}) == b'{\n  "a": [\n    1.5\n  ],\n  "b": 1\n}\n'
    assert to_json(card()) == to_json(decode_card(to_json(card()), where=""))
