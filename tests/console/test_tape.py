from pathlib import Path

import pytest

from app.console.tape import open_tape_apart
from app.core.errors import BadInput, Misconfigured


def test_a_recording_is_imported_once_and_says_how_far_it_is(shared_data: Path, tmp_path: Path) -> None:
    recording = shared_data / "bybit" / "session_20260809.jsonl.zst"
    told: list[float] = []
    tape = open_tape_apart(recording, tmp_path, told.append)
    assert "BTCUSDT" in tape.symbols
    assert tape.root.parent == tmp_path
    assert told == sorted(told)
    assert told[-1] == 1.0
    told.clear()
    assert open_tape_apart(recording, tmp_path, told.append) == tape
    assert open_tape_apart(tape.root, tmp_path, told.append) == tape
    assert told == []


def test_what_is_no_tape_is_refused_with_the_importers_own_words(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="tape /no/such/tape does not exist; name an archive's directory"):
        open_tape_apart(Path("/no/such/tape"), tmp_path, lambda share: None)
    (tmp_path / "poem.txt").write_text("Tyger Tyger, burning bright\n")
    with pytest.raises((Misconfigured, BadInput), match=r"poem\.txt"):
        open_tape_apart(tmp_path / "poem.txt", tmp_path, lambda share: None)
