"""Whatever happens to the files of an archive: a named error, repairs that are counted, or the rows as they were."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import AviaryError, BadInput
from app.market.rows import REPAIRED, Rows
from app.store.layout import sidecar_of
from app.store.repairs import Repairs

from . import damage as d
from .test_damage import is_within, read

Blow = Callable[[random.Random, bytearray, list[Path]], bytes]


def flip(rng: random.Random, data: bytearray, _files: list[Path]) -> bytes:
    for _ in range(rng.choice((1, 4, 64))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flip_end(rng: random.Random, data: bytearray, _files: list[Path]) -> bytes:
    for _ in range(rng.choice((1, 3, 20))):
        if data:
            data[-rng.randrange(1, min(len(data), 3000) + 1)] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(rng: random.Random, data: bytearray, _files: list[Path]) -> bytes:
    return bytes(data[: rng.randrange(len(data) + 1)])


def overwrite(rng: random.Random, data: bytearray, _files: list[Path]) -> bytes:
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.randrange(200)] = rng.randbytes(rng.randrange(200))
    return bytes(data)


def another(rng: random.Random, data: bytearray, files: list[Path]) -> bytes:
    other = rng.choice(files)
    return other.read_bytes() if other.exists() else bytes(data)


def shuffle(rng: random.Random, data: bytearray, files: list[Path]) -> bytes:
    """Some other file of the archive has its rows shuffled."""
    part = rng.choice([file for file in files if file.suffix == ".parquet"])
    if part.exists() and sidecar_of(part).exists():
        d.shuffle_rows(part, rng.randrange(2**32))
    return bytes(data)


BLOWS: list[Blow] = [flip, flip, flip_end, truncate, overwrite, another, shuffle]


def refusal(root: Path, rows: Rows) -> str:
    """Why it is not read; empty if it reads as it was written."""
    try:
        assert read(root).tobytes() == rows.tobytes()
    except BadInput as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Rows]:
    """An archive, one with the same rows as earlier versions wrote it, and the rows."""
    now, before = tmp_path_factory.mktemp("now"), tmp_path_factory.mktemp("before") / "archive"
    rows = d.healthy(now, 2000)
    shutil.copytree(now, before)
    for part in before.rglob("part-*.parquet"):
        d.as_earlier_versions_wrote(part)
    return now, before, rows


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_to_files_nothing_changes_in_silence(
    archives: tuple[Path, Path, Rows], tmp_path: Path, seed: int
) -> None:
    now, before, rows = archives
    root = shutil.copytree(before if seed % 3 == 0 else now, tmp_path / "archive")
    rng = random.Random(seed)
    files = sorted(root.rglob("part-*"))
    for _ in range(rng.randint(1, 3)):
        file = rng.choice(files)
        if not file.exists():
            continue
        if rng.random() < 0.15:
            file.unlink()
            continue
        done = rng.choice(BLOWS)(rng, bytearray(file.read_bytes()), files)
        file.write_bytes(done)
    said = refusal(root, rows)
    assert not said or "row " in said
    repairs = Repairs()
    try:
        got = read(root, repairs)
    except AviaryError:
        return
    assert got.tobytes() == rows.tobytes() or len(repairs)
    assert is_within(got[got["flags"] & REPAIRED == 0], rows)
    assert (np.diff(got["ts_recv"]) >= 0).all()
