"""Run directories: one a run, named by when it began, with everything it left."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from app.core.errors import Misconfigured
from app.report.facts import FACTS, RunFacts


def new_run(runs: Path, now: datetime) -> Path:
    """Make the directory of a run that begins at `now`; a number is added where the name is taken."""
    name = now.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        directory = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise Misconfigured(f"run directory {directory} cannot be made ({error.strerror}); set --runs") from None
        return directory
    raise Misconfigured(f"{runs} already has a thousand runs named {name}")


def latest_run(runs: Path) -> Path | None:
    """The directory of the newest run with facts, or None."""
    found = [path.parent for path in runs.glob(f"*/{FACTS}")]
    return max(found, key=lambda directory: (directory / FACTS).stat().st_mtime_ns, default=None)


def save_facts(directory: Path, facts: RunFacts) -> None:
    """Replace the facts of the run in `directory`."""
    partial = directory / f"{FACTS}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
    os.replace(partial, directory / FACTS)


def load_facts(directory: Path) -> RunFacts:
    """The facts of the run in `directory`.

    Raises:
        Misconfigured: there are none, or they are another version's.
    """
    path = directory / FACTS
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFacts)
    except FileNotFoundError:
        raise Misconfigured(f"{directory} is not a run: it has no {FACTS}") from None
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from None


def utc_text(at: datetime) -> str:
    """`at` as ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(path: Path) -> str:
    """`path` relative to where we are, if it is below."""
    with suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
