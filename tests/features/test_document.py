"""The page about the features is that of the running catalogue."""

import sys
from pathlib import Path

import pytest

from app.features.catalogue import FEATURES
from app.features.document import FILE, document, main


def test_the_page_in_docs_is_up_to_date() -> None:
    """If this fails after a change of the catalogue: `python -m app.features.document`."""
    assert FILE.read_text(encoding="utf-8") == document()


def test_each_feature_has_a_row_of_eight_cells() -> None:
    table = [line for line in document().splitlines() if line.startswith("| ")][1:]
    assert len(table) == len(FEATURES)
    for i, (line, feature) in enumerate(zip(table, FEATURES, strict=True)):
        cells = line.replace("\\|", "").strip("|").split("|")
        assert len(cells) == 8
        assert [cells[0].strip(), cells[1].strip()] == [str(i), f"`{feature.name}`"]
        assert ("≈" in cells[5]) == feature.approximate


def test_it_writes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "features.md"
    monkeypatch.setattr(sys, "argv", ["document", str(file)])
    assert main() == 0
    assert file.read_text(encoding="utf-8") == document()
    assert capsys.readouterr().out == f"{len(FEATURES)} features written to {file}\n"
