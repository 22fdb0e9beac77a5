"""The contracts of `.importlinter` cover every process there is."""

import configparser

from tests.house.reading import PROCESSES, ROOT, SERVICES

CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")


def _listed(contract: str, key: str) -> set[str]:
    return set(CONTRACTS[f"importlinter:contract:{contract}"][key].split())


def test_the_processes_are_the_folders_with_a_main() -> None:
    assert {path.parent.name for path in (ROOT / "app").glob("*/main.py")} == set(PROCESSES)


def test_no_process_may_import_another() -> None:
    layers = CONTRACTS["importlinter:contract:layers"]["layers"].splitlines()
    (together,) = [line.split(" | ") for line in layers if "|" in line and "collector" in line]
    assert set(map(str.strip, together)) == set(PROCESSES)


def test_every_process_is_kept_from_what_it_must_not_load() -> None:
    compiling = {"app.signal_engine", "app.executor"}
    assert _listed("light", "source_modules") == {f"app.{name}" for name in PROCESSES} - compiling
    assert _listed("offline", "source_modules") == {f"app.{name}" for name in SERVICES}


def test_every_core_is_pure() -> None:
    cores = {f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/service.py")}
    # The collector's core is pure as well; the rest of its folder is what talks to disk and network.
    assert cores - {"app.collector"} <= _listed("pure", "source_modules")
