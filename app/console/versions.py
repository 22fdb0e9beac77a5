"""Which versions are running."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

from app.core.process import EXIT_OK

_LIBRARIES = ("numpy", "numba", "onnxruntime", "redis", "pydantic")


def aviary_version() -> str:
    """The installed version of this package, or ``source`` when it runs from a checkout that is not installed."""
    try:
        return version("aviary")
    except PackageNotFoundError:
        return "source"


def all_versions() -> dict[str, str]:
    """Aviary, Python, and the libraries that take part in a result."""
    found = {"aviary": aviary_version(), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def version_command(*, as_json: bool) -> int:
    """Print all versions."""
    found = all_versions()
    print(json.dumps(found) if as_json else "\n".join(f"{name:<12} {number}" for name, number in found.items()))
    return EXIT_OK
