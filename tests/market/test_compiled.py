"""Kept machine code is never that of an older source."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from app.market import compiled
from app.market.compiled import kernel

ROOT = Path(__file__).resolve().parents[2]

CALLEE = "from app.market.compiled import kernel\n{constant}\n@kernel\ndef inner(x):\n    return x + STEP\n"
CALLER = (
    "from app.market.compiled import kernel\nfrom callee import inner\n@kernel\ndef outer(x):\n    return inner(x)\n"
)
SHOW = "import callee, caller\nprint(caller.outer(1), sum(caller.outer.stats.cache_hits.values()))\n"


def _run(folder: Path, constant: str) -> tuple[int, int]:
    """Write a kernel that calls another file's, run it in a fresh process, return its result and cache hits."""
    (folder / "callee.py").write_text(CALLEE.format(constant=constant))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    environment.pop("NUMBA_CACHE_DIR", None)
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    result, hits = shown.stdout.split()
    return int(result), int(hits)


def test_a_change_in_a_called_kernel_recompiles_its_callers(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    assert _run(tmp_path, "STEP = 1") == (2, 0)
    assert _run(tmp_path, "STEP = 1") == (2, 1)
    assert _run(tmp_path, "STEP = 5") == (6, 0)


def test_a_changed_constant_of_another_file_recompiles(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "steps.py").write_text("STEP = 1\n")
    assert _run(tmp_path, "from steps import STEP") == (2, 0)
    (tmp_path / "steps.py").write_text("STEP = 7\n")
    assert _run(tmp_path, "from steps import STEP") == (8, 0)


def test_machine_code_of_older_versions_is_removed_once_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, stale, other = (tmp_path / name for name in ("market.book-11", "market.book-22", "market.bits-33"))
    for folder in (current, stale, other):
        folder.mkdir()
        (folder / "x.nbc").write_bytes(b"machine code")
    monkeypatch.setattr(compiled, "_folders", {current})
    assert compiled.remove_stale() == 0
    assert compiled.remove_stale(older_than_s=-1) == 1
    assert (current.exists(), stale.exists(), other.exists()) == (True, False, True)


def _allocates(n: int) -> float:
    return np.zeros(n).sum()  # type: ignore[no-any-return]


def test_a_kernel_that_allocates_does_not_compile() -> None:
    with pytest.raises(NumbaError, match="Only accept returning of array passed into the function"):
        kernel(_allocates)(3)
