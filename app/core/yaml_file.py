"""Reads the YAML files people write."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from app.core.errors import Misconfigured


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key replace an earlier one in silence; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            name = f"{key.tag} {key.value}"
            if isinstance(key, yaml.ScalarNode) and name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice; remove one", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path, *, what: str, remedy: str) -> dict[str, Any]:
    """The mapping in the YAML file `path`, empty if the file is. `what` and `remedy` go into the errors' texts.

    Raises:
        Misconfigured: the file cannot be read, is not YAML, is no mapping, or gives a key twice.
    """
    try:
        # The loader is SafeLoader's: plain data only.
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise Misconfigured(f"{what} {path} does not exist; {remedy}") from None
    except OSError as error:
        raise Misconfigured(f"{what} {path} cannot be read ({error.strerror}); {remedy}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{what} {path} is not valid YAML: {_fault(error)}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise Misconfigured(f"{what} {path} must hold a mapping, found {type(loaded).__name__}")
    return loaded


def _fault(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong and where, without the line itself: it may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error).partition("\n")[0]
    return f"{getattr(error, 'problem', None)} (line {mark.line + 1}, column {mark.column + 1})"
