"""How kernels are compiled, and where their machine code is kept.

numba's own cache looks at the file a kernel is written in, not at the files of the kernels it calls: a change in
`book.py` would leave every cached caller running the old book. `kernel` therefore keeps the machine code in a folder
named after everything that went into it.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])

_OWN = Path(__file__).read_bytes()
_fingerprints: dict[str, str] = {}
_folders: set[Path] = set()


def inlined(function: F) -> F:
    """A kernel whose code is put in place of every call to it, for what runs on every row.

    A call hands over every array as a dozen machine words; for a function of many arrays that does little, the call
    costs more than the work.
    """
    return _compile(function, forceinline=True)


def kernel(function: F) -> F:
    """Compile `function` when first called, keep the machine code, and run it without the interpreter lock.

    Floating point stays strict (no re-association), so results are the same bits on every run; a division by zero
    gives inf or NaN, as in numpy, and raises nothing in the middle of a change. Arrays are not reference-counted
    inside: a kernel that allocates does not compile, and small kernels that call each other run several times faster
    (each call would otherwise count every array up and down).
    """
    return _compile(function)


def _compile(function: F, **options: bool) -> F:
    jit: Any = numba.njit
    config: Any = numba.config
    folder = _cache_folder(function)
    _folders.add(folder)
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        return cast(F, jit(cache=True, nogil=True, error_model="numpy", _nrt=False, **options)(function))
    finally:
        config.CACHE_DIR = before


def remove_stale(*, older_than_s: float = 3600) -> int:
    """Delete machine code of other versions of the kernels loaded so far; returns how many folders went.

    Young folders stay: a process that runs another version may be writing to them.
    """
    latest = time.time() - older_than_s
    stale = [
        other
        for folder in _folders
        for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*")
        if other not in _folders and other.is_dir() and other.stat().st_mtime < latest
    ]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(set(stale))


def _cache_folder(function: Callable[..., Any]) -> Path:
    source = Path(function.__code__.co_filename)
    name = f"{source.parent.name}.{source.stem}-{_fingerprint(function, source)}"
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured:
        return Path(configured) / name
    own = source.parent / "__pycache__"
    if os.access(own if own.exists() else source.parent, os.W_OK):
        return own / name
    return Path.home() / ".cache" / "aviary" / name


def _fingerprint(function: Callable[..., Any], source: Path) -> str:
    """Hash of the file, of the kernels it imports and of the constants it sees (numba freezes those too)."""
    digest = hashlib.blake2b(_OWN + source.read_bytes(), digest_size=8)
    for name, value in sorted(function.__globals__.items()):
        if isinstance(value, Dispatcher):
            file = value.py_func.__code__.co_filename
            if file != str(source):
                known = _fingerprints.get(file) or hashlib.blake2b(Path(file).read_bytes()).hexdigest()
                digest.update(f"{name}={known}\n".encode())
        elif _is_constant(value) and not name.startswith("__"):
            digest.update(f"{name}={value!r}\n".encode())
    found = digest.hexdigest()
    _fingerprints[str(source)] = found
    return found


def _is_constant(value: object) -> bool:
    return isinstance(value, (bool, int, float, str)) or (isinstance(value, tuple) and all(map(_is_constant, value)))
