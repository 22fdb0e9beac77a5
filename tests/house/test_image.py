"""The Dockerfile against the tree it copies, and the libraries it installs against what services import."""

import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import grimp
import pytest

from tests.house.reading import PROCESSES, ROOT, Instruction, dockerfile, module_exists, modules_run, project

TEXT = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = dockerfile(TEXT)
FINAL = [i for i in INSTRUCTIONS if i.stage == INSTRUCTIONS[-1].stage]


def _copied(instructions: list[Instruction]) -> Iterator[str]:
    for instruction in instructions:
        if instruction.word == "COPY" and not instruction.rest.startswith("--from"):
            yield from (source.rstrip("/") for source in instruction.rest.split()[:-1])


def _only(word: str) -> str:
    (found,) = [i.rest for i in FINAL if i.word == word]
    return found


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split("\n")
    sent = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for source in _copied(INSTRUCTIONS):
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in sent, source
    assert sent == {source.split("/")[0] for source in _copied(INSTRUCTIONS)}


def test_the_image_has_the_whole_program() -> None:
    assert {"app", "config", "models", "pyproject.toml"} <= set(_copied(FINAL))


def test_its_processes_are_nobody_s_root() -> None:
    user = _only("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), user
    after = [i.word for i in FINAL[FINAL.index(Instruction(FINAL[0].stage, "USER", user)) :]]
    assert {"CMD", "HEALTHCHECK", "STOPSIGNAL"} <= set(after)
    assert "COPY" not in after, "copied files would belong to the user who runs them"


def test_the_final_stage_builds_nothing() -> None:
    ran = " ".join(i.rest for i in FINAL if i.word == "RUN")
    assert not re.search(r"\b(apt-get|apk|gcc|pip)\b", ran)


def test_python_is_the_one_the_project_asks_for() -> None:
    minimum = project()["project"]["requires-python"].removeprefix(">=")
    for instruction in INSTRUCTIONS:
        if instruction.word == "FROM":
            assert instruction.rest.startswith(f"python:{minimum}-slim")


def test_what_it_runs_can_be_run() -> None:
    assert "app.core.health" in modules_run(TEXT)
    assert {name for name in modules_run(TEXT) if not module_exists(name)} == set()


def test_it_stops_as_processes_expect() -> None:
    assert _only("STOPSIGNAL") == "SIGTERM"


def test_kernels_are_compiled_into_the_cache_by_the_user_who_reads_it() -> None:
    words = [i.word for i in FINAL]
    warm = next(i for i in FINAL if i.word == "RUN" and ".warm" in i.rest)
    assert FINAL.index(warm) > words.index("USER")
    cache = re.search(r"NUMBA_CACHE_DIR=(\S+)", _only("ENV"))
    assert cache
    made = next(i.rest for i in FINAL if "install -d" in i.rest)
    assert cache[1] in made.split()


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", include_external_packages=True)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_base_install_is_all_that_a_process_needs(graph: grimp.ImportGraph, process: str) -> None:
    """The image has pyproject's `dependencies` and none of the extras."""
    stated = {_plain(re.split(r"[<>=; \[]", text)[0]) for text in project()["project"]["dependencies"]}
    distributions = packages_distributions()
    imported = graph.find_upstream_modules(f"app.{process}.main") & _external(graph)
    needed = {_plain(distributions[name][0]) for name in imported if name in distributions}
    assert len(needed) > 3
    # llvmlite is numba's own; ccxt is asked for by configuration alone.
    assert needed - stated - {"llvmlite"} - ({"ccxt"} if process == "collector" else set()) == set()


def _external(graph: grimp.ImportGraph) -> set[str]:
    return {name for name in graph.modules if graph.is_module_squashed(name)}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
