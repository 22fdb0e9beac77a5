from collections.abc import Sequence
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.replay.sweep_points import grid_points, make_points, read_points
from app.settings import Settings, load_settings


def load(given: Sequence[str]) -> Settings:
    return load_settings(overlays=[], assignments=given)


def test_a_grid_is_every_combination() -> None:
    assert grid_points(["a.b=1,2", "c=x, y"]) == [
        {"a.b": "1", "c": "x"}, {"a.b": "1", "c": "y"}, {"a.b": "2", "c": "x"}, {"a.b": "2", "c": "y"},
    ]  # fmt: skip
    assert grid_points(["a=1"]) == [{"a": "1"}]


def test_values_are_kept_as_they_are_written() -> None:
    assert grid_points(['a="0.0002",1e-4,[x, y],{k: 1},true']) == [
        {"a": value} for value in ('"0.0002"', "1e-4", "[x, y]", "{k: 1}", "true")
    ]
    conditions = "[{feature: imbalance_5, abs_min: 0.3}],[{feature: imbalance_5, abs_min: 0.5}]"
    points = make_points(grid_points([f"strategies.scalper.trigger.conditions={conditions}"]), load)
    found = [point.settings.strategies["scalper"].trigger.conditions for point in points]
    assert [[condition.abs_min for condition in conditions] for conditions in found] == [[0.3], [0.5]]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["risk.max_positions"], r"--grid 'risk.max_positions' is not of the form key.path=value,value"),
        (["a="], r"--grid 'a=' is not of the form"),
        (["=1,2"], r"--grid '=1,2' is not of the form"),
        (["a=1,2", "a=3"], r"--grid a is given twice; put all its values into one: a=value,value"),
        (["a=1,2,1"], r"--grid 'a=1,2,1' has a value twice"),
        (["a=[1,2"], r"--grid 'a=\[1,2' has values that are not valid YAML"),
        (["a=1], [2"], r"--grid 'a=1\], \[2' has values that are not valid YAML"),
    ],
)
def test_a_grid_that_is_none(lines: list[str], text: str) -> None:
    with pytest.raises(Misconfigured, match=text):
        grid_points(lines)


def test_points_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "points.yml"
    path.write_text(
        "points:\n"
        "  - {risk.max_positions: 2, executor.paper.queue: log}\n"
        "  - risk: {max_positions: 3, daily_loss_cap_usd: -50}\n"
        "  - {strategies.scalper.capital.starting_cash: '5000'}\n"
    )
    given = read_points(path)
    assert given == [
        {"risk.max_positions": "2", "executor.paper.queue": "log"},
        {"risk.max_positions": "3", "risk.daily_loss_cap_usd": "-50"},
        {"strategies.scalper.capital.starting_cash": '"5000"'},
    ]
    points = make_points(given, load)
    assert [point.settings.risk.max_positions for point in points] == [2, 3, 3]
    assert points[0].settings.executor.paper.queue == "log"
    assert points[1].name == "risk.max_positions=3, risk.daily_loss_cap_usd=-50"


@pytest.mark.parametrize(
    "text", ["- {a: 1}\n", "points: {a: 1}\n", "points: [1]\n", "points: [{}]\n", "points: [{a: 1}]\nmore: 1\n", ""]
)
def test_a_file_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "points.yml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"points\.yml must (have a list `points` of mappings|hold a mapping)"):
        read_points(path)
    path.write_text("points: []\n")
    with pytest.raises(Misconfigured, match=r"has no points; write one at least"):
        read_points(path)
    with pytest.raises(Misconfigured, match=r"nowhere\.yml does not exist; name another with --points"):
        read_points(tmp_path / "nowhere.yml")


def test_every_configuration_is_valid_before_anything_starts() -> None:
    with pytest.raises(Misconfigured, match=r"(?s)point 2 of the sweep \(risk.max_positions=-1\): .*max_positions"):
        make_points(grid_points(["risk.max_positions=1,-1"]), load)
    with pytest.raises(Misconfigured, match=r"(?s)point 1 .*unknown key; did you mean 'max_positions'\?"):
        make_points(grid_points(["risk.max_position=1"]), load)
    with pytest.raises(Misconfigured, match=r"point 1 of the sweep \(.*\): feature 'nope' is not in the catalogue"):
        make_points([{"strategies.scalper.trigger.conditions": "[{feature: nope, max: 1}]"}], load)


def test_points_that_cannot_differ_are_refused() -> None:
    with pytest.raises(
        Misconfigured, match=r"the same in all that can change a result: logging.level=info; and logging"
    ):
        make_points(grid_points(["logging.level=info,debug"]), load)
    with pytest.raises(Misconfigured, match=r"two points of the sweep are the same"):
        make_points(grid_points(["warmup.seconds=1,1.0"]), load)
