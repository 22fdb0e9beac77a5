"""Reads the files of the house the way their own tools do, as far as the checks need it."""

import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from app.core.config import read_layers

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ("collector", "signal_engine", "ai_scorer", "risk", "executor")
PROCESSES = (*SERVICES, "sandbox")


class Instruction(NamedTuple):
    """One instruction of a Dockerfile; `stage` counts from 0."""

    stage: int
    word: str
    rest: str


def dockerfile(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, continued lines joined, comments left out."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    found: list[Instruction] = []
    stage = -1
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            stage += word == "FROM"
            found.append(Instruction(stage, word, rest.strip()))
    return found


def compose(**environ: str) -> dict[str, Any]:
    """docker-compose.yml with anchors resolved and `${NAME:-default}` filled in from `environ`."""
    return read_layers([ROOT / "docker-compose.yml"], (), environ)


def compose_schema() -> dict[str, Any]:
    """The Compose Specification's own JSON schema, as check-jsonschema ships it."""
    path = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def environment_names(text: str) -> set[str]:
    """Names in `${NAME}`, `${NAME:-default}` and `$NAME`."""
    return set(re.findall(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]*)", text))


def yaml_file(name: str) -> Any:
    """The plain content of a YAML file of the project."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def module_exists(name: str) -> bool:
    """Whether `python -m name` finds something to run here (a module, or a package with `__main__`)."""
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def modules_run(text: str) -> set[str]:
    """The modules of ours that `text` starts with `python -m`."""
    found = set()
    for match in re.finditer(r"python3?\"?,?\s+\"?-m\"?,?\s+\"?(?P<name>[a-z_][\w.]*)", text):
        if match["name"].split(".")[0] in ("app", "benchmarks", "scripts", "tests"):
            found.add(match["name"].rstrip("."))
    return found
