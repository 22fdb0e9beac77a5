"""What a result depends on besides rows and settings: this code, and the libraries that take part."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_APP: Final = Path(__file__).resolve().parent.parent
#: Packages of which a replay uses nothing but the shape of their settings.
_APART: Final = frozenset({"collector", "console", "importers", "research", "sandbox", "venues", "__main__.py"})
_LIBRARIES: Final = ("aviary", "numpy", "numba", "onnxruntime", "msgspec")


@cache
def code_digest() -> str:
    """SHA-256 over the sources that a replay runs."""
    digest = hashlib.sha256()
    for path in sorted(_APP.rglob("*.py")):
        place = path.relative_to(_APP)
        if place.parts[0] not in _APART:
            digest.update(f"{place.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def build_facts() -> dict[str, str]:
    """By name: the digest of the code, and the versions of Python, this package and the libraries that compute."""
    return {"code": code_digest(), "python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
