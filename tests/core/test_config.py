"""Layers, substitution and the faults of a configuration, on sections made for the purpose."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from app.core.config import Section, Tree, read_layers, validate
from app.core.errors import Misconfigured


class Leaf(Section):
    size: int = Field(default=1, ge=1)
    name: str | None = None


class Tree3(Section):
    leaf: Leaf = Leaf()
    maybe: Leaf | None = None
    named: dict[str, Leaf] = Field(default_factory=dict)
    listed: tuple[Leaf, ...] = ()
    redis_url: SecretStr = SecretStr("redis://127.0.0.1")
    plain: str = ""


def _layers(folder: Path, *texts: str, assignments: tuple[str, ...] = (), **environ: str) -> Tree:
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.yml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return read_layers(paths, assignments, environ)


def _faults(tree: Tree) -> str:
    with pytest.raises(Misconfigured) as caught:
        validate(Tree3, tree, source="here")
    return str(caught.value)


def test_later_layers_win_and_siblings_stay(tmp_path: Path) -> None:
    tree = _layers(tmp_path, "a: {x: 1, y: 2}\nb: [1, 2]\n", "a: {y: 3}\nb: [9]\n", assignments=("a.z=4", "a.x=5"))
    assert tree == {"a": {"x": 5, "y": 3, "z": 4}, "b": [9]}


def test_layers_do_not_change_one_another(tmp_path: Path) -> None:
    one = "a: {x: 1}\n"
    assert _layers(tmp_path, one, "a: {x: 2}\n") != _layers(tmp_path, one)


def test_assigned_values_are_yaml(tmp_path: Path) -> None:
    tree = _layers(tmp_path, "", assignments=("a.b=[1, x]", "c=", "d= null", "e='1'", "f=a=b"))
    assert tree == {"a": {"b": [1, "x"]}, "c": None, "d": None, "e": "1", "f": "a=b"}


@pytest.mark.parametrize("assignment", ["a.b", "=3", " =3", ""])
def test_an_assignment_without_key_or_sign_is_refused(tmp_path: Path, assignment: str) -> None:
    with pytest.raises(Misconfigured, match=r"^setting '.*' is not of the form key\.path=value$"):
        _layers(tmp_path, "", assignments=(assignment,))


def test_an_assignment_that_is_not_yaml_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^value of setting 'a\.b' is not valid YAML"):
        _layers(tmp_path, "", assignments=("a.b=[1",))


@pytest.mark.parametrize(
    ("value", "environ", "found"),
    [
        ("${NAME:-fallback}", {}, "fallback"),
        ("${NAME:-fallback}", {"NAME": "given"}, "given"),
        ("${NAME:-fallback}", {"NAME": ""}, "fallback"),
        ("${NAME}", {"NAME": "given"}, "given"),
        ("${NAME:-}", {}, None),
        ("a ${ONE:-1} b ${TWO:-2}", {"TWO": "zwei"}, "a 1 b zwei"),
        ("${NAME:-redis://h:1/0}", {}, "redis://h:1/0"),
        ("$${NAME}", {"NAME": "given"}, "${NAME}"),
        ("cost $5", {}, "cost $5"),
        # What comes from the environment is a value, not another template.
        ("${NAME}", {"NAME": "${OTHER}"}, "${OTHER}"),
    ],
)
def test_substitution(tmp_path: Path, value: str, environ: dict[str, str], found: str | None) -> None:
    assert _layers(tmp_path, f'a: ["{value}"]\n', **environ) == {"a": [found]}


def test_an_assignment_may_name_the_environment(tmp_path: Path) -> None:
    assert _layers(tmp_path, "", assignments=("a=${NAME}",), NAME="x") == {"a": "x"}


@pytest.mark.parametrize("environ", [{}, {"NAME": ""}])
def test_a_variable_that_is_needed_and_not_set_is_named_with_its_key(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"^a\.b\[1\] needs the environment variable NAME, which is not set$"):
        _layers(tmp_path, "a: {b: [x, '${NAME}']}\n", **environ)


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"does not exist; name another with AVIARY_CONFIG or --config$"):
        read_layers([tmp_path / "app.yml"], (), {})


def test_all_faults_come_at_once() -> None:
    text = _faults({"leaf": {"size": 0}, "named": {"x": {"size": "many"}}})
    assert text.startswith("here: 2 fault(s)\n")
    assert "leaf.size: Input should be greater than or equal to 1 (got 0)" in text
    assert "named.x.size: Input should be a valid integer" in text
    assert "(got 'many')" in text


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({"leaf": {"sise": 1}}, "leaf.sise: unknown key; did you mean 'size'?"),
        ({"maybe": {"nam": "x"}}, "maybe.nam: unknown key; did you mean 'name'?"),
        ({"named": {"x": {"sizes": 1}}}, "named.x.sizes: unknown key; did you mean 'size'?"),
        ({"listed": [{}, {"siez": 1}]}, "listed.1.siez: unknown key; did you mean 'size'?"),
        ({"laef": {}}, "laef: unknown key; did you mean 'leaf'?"),
        ({"leaf": {"qqq": 1}}, "leaf.qqq: unknown key; known keys: name, size"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(tree: Tree, fault: str) -> None:
    assert fault in _faults(tree)


@pytest.mark.parametrize("key", ["redis_url", "plain", "leaf", "named", "listed"])
def test_a_password_is_never_told_wherever_it_stands(key: str) -> None:
    url = "redis://user:hunter2@h:6379/0"
    text = _faults({key: url if key in ("leaf", "named", "listed") else [url], "wrong": url})
    assert "hunter2" not in text
    assert "fault(s)" in text


def test_a_password_is_not_told_by_an_assignment(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        _layers(tmp_path, "", assignments=("redis://:hunter2@h",))
    assert "hunter2" not in str(caught.value)


def test_sections_are_frozen_and_finite() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Leaf().size = 3  # type: ignore[misc]

    class Real(Section):
        x: float

    with pytest.raises(Misconfigured, match=r"x: Input should be a finite number"):
        validate(Real, {"x": float("nan")}, source="here")
