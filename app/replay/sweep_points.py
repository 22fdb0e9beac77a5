"""The points of a sweep: which settings each of them makes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

from app.core.errors import Misconfigured
from app.core.yaml_file import read_mapping
from app.replay.cores import build_cores
from app.settings import Settings
from app.settings_digest import config_digest


@dataclass(frozen=True, slots=True)
class Point:
    """`given` has the settings it makes, as written, by key; `settings` is the whole configuration with them."""

    given: Mapping[str, str]
    settings: Settings
    digest: str

    @property
    def name(self) -> str:
        """What it sets, in one line."""
        return ", ".join(f"{key}={value}" for key, value in self.given.items()) or "the configuration as it is"


def make_points(given: Iterable[Mapping[str, str]], load: Callable[[Sequence[str]], Settings]) -> list[Point]:
    """A point for each of `given`; `load` gives the configuration with assignments like ``risk.max_positions=2``.

    The cores are made of each, since some mistakes (a feature that does not exist, a model that is not there) only they
    can see.

    Raises:
        Misconfigured: a configuration is not valid, or two of them are the same in all that can change a result.
    """
    points: list[Point] = []
    seen: dict[str, Point] = {}
    for settings_made in given:
        try:
            settings = load([f"{key}={value}" for key, value in settings_made.items()])
            build_cores(settings)
        except Misconfigured as error:
            name = ", ".join(f"{key}={value}" for key, value in settings_made.items())
            raise Misconfigured(f"point {len(points) + 1} of the sweep ({name}): {error}") from None
        point = Point(settings_made, settings, config_digest(settings))
        if point.digest in seen:
            raise Misconfigured(
                f"two points of the sweep are the same in all that can change a result: {seen[point.digest].name}; and "
                f"{point.name}. Leave one of them out"
            )
        seen[point.digest] = point
        points.append(point)
    return points


def grid_points(lines: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of the values in `lines`, each of the form ``key.path=value,value``; the last varies fastest.

    Values are YAML, as they are for single settings; one with a comma in it needs brackets or quotes.

    Raises:
        Misconfigured: a line is not of that form, or a key occurs twice.
    """
    axes: dict[str, list[str]] = {}
    for line in lines:
        key, equals, values = (part.strip() for part in line.partition("="))
        found = _values(line, values) if equals and key else []
        if not found:
            raise Misconfigured(f"--grid {line!r} is not of the form key.path=value,value")
        if key in axes:
            raise Misconfigured(f"--grid {key} is given twice; put all its values into one: {key}=value,value")
        if len(set(found)) < len(found):
            raise Misconfigured(f"--grid {line!r} has a value twice")
        axes[key] = found
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _values(line: str, text: str) -> list[str]:
    # As a list of YAML, of which each element is kept as it is written: what it means is for the settings to say.
    try:
        node = yaml.compose(f"[{text}]", Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise Misconfigured(f"--grid {line!r} has values that are not valid YAML: {error}") from None
    if not isinstance(node, yaml.SequenceNode):
        raise Misconfigured(f"--grid {line!r} has values that are not valid YAML")
    return [f"[{text}]"[part.start_mark.index : part.end_mark.index] for part in node.value]


def read_points(path: Path) -> list[dict[str, str]]:
    """The points in a YAML file: under `points`, a list of mappings from key paths to values.

    Raises:
        Misconfigured: there is no such file, or it has something else in it.
    """
    tree = read_mapping(path, what="file of points", remedy="name another with --points")
    points = tree.get("points")
    if set(tree) != {"points"} or not isinstance(points, list) or not all(isinstance(p, dict) and p for p in points):
        raise Misconfigured(
            f"file of points {path} must have a list `points` of mappings and nothing else, as in\n"
            "  points:\n    - {risk.max_positions: 2, risk.loss_streak_max: 5}"
        )
    if not points:
        raise Misconfigured(f"file of points {path} has no points; write one at least")
    return [dict(_flat(point)) for point in points]


def _flat(tree: Mapping[object, object], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        path = f"{above}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.")
        else:
            yield path, _written(value)


def _written(value: object) -> str:
    """`value` as YAML that reads as the same again."""
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, default=str, ensure_ascii=False)
