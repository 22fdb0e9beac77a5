"""Which files of a folder the fill benchmark scores, and what it says of the others."""

import json
import zipfile
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from benchmarks import fill_model
from tests.fills.market import drawn


def zipped(message: Path, to: Path) -> Path:
    """The day of `message` as a zip."""
    with zipfile.ZipFile(to, "w") as archive:
        for file in (message, message.with_name(message.name.replace("message", "orderbook"))):
            archive.write(file, file.name)
    return to


def test_a_day_that_is_there_several_times_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = drawn(11, 1500, 10).write(tmp_path, "ONE")
    shallow = drawn(11, 1500, 5).write(tmp_path, "ONE")
    copy = zipped(deep, tmp_path / "ONE.zip")
    other = drawn(12, 1500, 5).write(tmp_path, "TWO")
    days, left_out = fill_model.find_days(tmp_path)
    assert days == {deep.stem: deep, other.stem: other}
    assert left_out == {shallow.name: deep.stem, copy.name: deep.stem}
    assert fill_model.main(["--quick", "--json", "--lobster", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert set(figures["files"]) == {deep.stem, other.stem}
    assert figures["left_out"] == left_out
    assert f"{copy.name} is left out: it has the same day as {deep.stem}, which is used" in err
    assert f"{shallow.name} is left out" in err


def test_parts_of_a_day_that_do_not_overlap_are_both_used(tmp_path: Path) -> None:
    message = drawn(11, 300, 5).write(tmp_path, "ONE")
    for file in list(tmp_path.iterdir()):
        later = file.name.replace("34200000_57600000", "57600000_60000000")
        (tmp_path / later).write_bytes(file.read_bytes())
    days, left_out = fill_model.find_days(tmp_path)
    assert len(days) == 2
    assert message.stem in days
    assert left_out == {}


def test_what_was_refused_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = drawn(11, 1500, 5).write(tmp_path, "ONE")
    lines = message.read_text().splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ",x"
    message.write_text("\n".join(lines) + "\n")
    assert fill_model.main(["--quick", "--lobster", str(tmp_path)]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    refused = json.loads(last)["files"][message.stem]["refused"]
    assert refused == {"malformed": {"count": 1, "first": f"{message.name}:4"}}
    assert any(f"refused: 1 malformed (first {message.name}:4)" in line for line in text)


@pytest.mark.parametrize("missing", ["message", "orderbook"])
def test_half_a_day_names_the_file_that_is_missing(tmp_path: Path, missing: str) -> None:
    message = drawn(11, 300, 5).write(tmp_path, "ONE")
    gone = message.with_name(message.name.replace("message", missing))
    gone.unlink()
    with pytest.raises(Misconfigured, match=f"{gone.name} does not exist; a LOBSTER day needs its message and its ord"):
        fill_model.find_days(tmp_path)
