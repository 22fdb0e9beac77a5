"""Files people write: every fault is named, and no line of the file is quoted back."""

from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.core.yaml_file import read_mapping


def _read(path: Path) -> dict[str, object]:
    return read_mapping(path, what="thing file", remedy="write one")


def _written(folder: Path, text: str) -> Path:
    path = folder / "thing.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mapping_is_read_as_plain_data(tmp_path: Path) -> None:
    assert _read(_written(tmp_path, "a: {b: [1, x]}\n")) == {"a": {"b": [1, "x"]}}


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert _read(_written(tmp_path, "# nothing yet\n")) == {}


def test_merge_keys_may_be_overridden(tmp_path: Path) -> None:
    assert _read(_written(tmp_path, "a: &a {k: 1, l: 2}\nb: {<<: *a, k: 3}\n"))["b"] == {"k": 3, "l": 2}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", r"is not valid YAML: key 'c' is given twice; remove one \(line 2, column 11\)"),
        ("a: 1\nb: 2\na: 3\n", r"key 'a' is given twice; remove one \(line 3, column 1\)"),
        ("a: [1\n", r"is not valid YAML: expected ',' or ']'.* \(line 2, column 1\)"),
        ("- 1\n", r"must hold a mapping, found list"),
        ("? [1, 2]\n: 3\n", r"found unhashable key"),
        ("a: !!python/object/apply:os.system [id]\n", r"could not determine a constructor for the tag"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        _read(_written(tmp_path, text))


def test_the_text_of_an_error_does_not_quote_the_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        _read(_written(tmp_path, 'api_key: "hunter2\nnext: [\n'))
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^thing file .*gone\.yml does not exist; write one$"):
        _read(tmp_path / "gone.yml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"cannot be read \(Is a directory\); write one$"):
        _read(tmp_path)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yml"
    path.write_bytes("a: für\n".encode("latin-1"))
    with pytest.raises(Misconfigured, match=r"is not valid YAML: 'utf-8' codec can't decode"):
        _read(path)
