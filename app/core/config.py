"""Reads configuration once, into frozen typed objects.

Layers, later ones winning: the base file, overlays in the order given, then single `key.path=value` settings.
`${NAME:-default}` and `${NAME}` are replaced from the environment in any string value; `$${` is a literal `${`.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from app.core.errors import Misconfigured
from app.core.logging import mask
from app.core.yaml_file import read_mapping

Tree = dict[str, Any]
S = TypeVar("S", bound=BaseModel)

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Section(BaseModel):
    """A part of the configuration: frozen, and any key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_layers(
    paths: Sequence[Path], assignments: Iterable[str] = (), environ: Mapping[str, str] | None = None
) -> Tree:
    """Merge the YAML files in `paths`, apply `key.path=value` assignments, substitute the environment.

    Raises:
        Misconfigured: a file is missing or not a YAML mapping, an assignment has no ``=``, or a ``${NAME}``
            without a default is not set.
    """
    tree: Tree = {}
    for path in paths:
        tree = _merge(tree, _read_file(path))
    for assignment in assignments:
        tree = _merge(tree, _assigned(assignment))
    replaced = _substitute(tree, os.environ if environ is None else environ, at="")
    assert isinstance(replaced, dict)
    return replaced


def validate(model: type[S], tree: Tree, *, source: str, assignments: Iterable[str] = ()) -> S:
    """Build `model` from `tree`, which was read from `source` with `assignments` laid over it.

    Raises:
        Misconfigured: every fault at once, each with its key, its value (secrets masked), for a key that does not
            exist the nearest one that does, and the assignment it is in, if it is in one.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        # Values come from pydantic's own report, never from the tree: a secret field reports no input.
        found = error.errors(include_url=False)
    given = list(assignments)
    faults = [(_describe(model, dict(fault)), _blamed(fault["loc"], given)) for fault in found]
    lines = [text if key is None else f"{text}; given with --set {key}=… (or AVIARY_SET)" for text, key in faults]
    where = source if any(key is None for _, key in faults) else f"settings over {source}"
    raise Misconfigured(f"{where}: {len(lines)} fault(s)\n  " + "\n  ".join(lines))


def _blamed(location: Sequence[int | str], assignments: Sequence[str]) -> str | None:
    """The key of the last assignment above, at or below `location`; None if there is none."""
    fault = [str(part) for part in location]
    for assignment in reversed(assignments):
        key = assignment.partition("=")[0].strip()
        parts = key.split(".")
        shared = min(len(parts), len(fault))
        if fault and parts[:shared] == fault[:shared]:
            return key
    return None


def _read_file(path: Path) -> Tree:
    return read_mapping(path, what="configuration file", remedy="name another with AVIARY_CONFIG or --config")


def _assigned(assignment: str) -> Tree:
    key, equals, value = assignment.partition("=")
    if not equals or not key.strip():
        raise Misconfigured(f"setting {mask(assignment)!r} is not of the form key.path=value")
    try:
        leaf: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise Misconfigured(f"value of setting {key.strip()!r} is not valid YAML: {error}") from None
    for part in reversed(key.strip().split(".")):
        leaf = {part: leaf}
    assert isinstance(leaf, dict)
    return leaf


def _merge(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _substitute(node: Any, environ: Mapping[str, str], *, at: str) -> Any:
    if isinstance(node, dict):
        return {key: _substitute(value, environ, at=f"{at}.{key}".lstrip(".")) for key, value in node.items()}
    if isinstance(node, list):
        return [_substitute(value, environ, at=f"{at}[{i}]") for i, value in enumerate(node)]
    if not isinstance(node, str) or "${" not in node:
        return node

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "${"
        value = environ.get(name) or match["default"]
        if value is None:
            raise Misconfigured(f"{at} needs the environment variable {name}, which is not set")
        return value

    text = _PLACEHOLDER.sub(replace, node)
    # A value that was nothing but a placeholder may stand for "not given".
    return None if text == "" else text


def _describe(model: type[BaseModel], fault: Tree) -> str:
    location = fault["loc"]
    key = ".".join(str(part) for part in location)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"{key}: unknown key; {hint}"
    value = fault.get("input")
    shown = "" if isinstance(value, (dict, list)) or _is_secret(key) else f" (got {value!r})"
    # A URL with a password may stand where none belongs.
    return mask(f"{key or 'configuration'}: {fault['msg']}{shown}")


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("secret", "password", "token", "api_key", "url"))


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The field names known at `location`, looking through mappings and optionals of sections."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:
            # A mapping or list: the part is its key or index, and the element type is the last argument.
            arguments = [argument for argument in get_args(current) if argument is not Ellipsis]
            current = arguments[-1] if arguments else None
        options = [o for o in get_args(current) if isinstance(o, type) and issubclass(o, BaseModel)]
        if options and type(None) in get_args(current):
            current = options[0]
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []
