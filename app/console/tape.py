"""Opening a tape in a process of its own: what importing loads would stay in the launcher's memory for the whole run.

`python -m app.console.tape PATH CACHE` says on standard output how far it is, and in its last line what it made.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.console.plan import Tape
from app.core.errors import BadInput, Misconfigured
from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED, EXIT_OK
from app.store.layout import symbols_in, venues_in


def open_tape_apart(path: Path, cache: Path, on_progress: Callable[[float], None]) -> Tape:
    """The archive at `path`, or the one the recording there was imported into, under `cache`.

    Raises:
        Misconfigured: there is nothing at `path`, or nothing this program can read.
        BadInput: the recording is damaged.
    """
    if path.is_dir() and venues_in(path):  # nothing to import, so no process either: that alone takes half a second
        return Tape(path, _symbols(path))
    command = [sys.executable, "-m", "app.console.tape", str(path), str(cache)]
    last: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = json.loads(line)
            if "share" in last:
                on_progress(last["share"])
    if "root" in last:
        return Tape(Path(last["root"]), tuple(last["symbols"]))
    text = last.get("error") or f"importing {path} ended with exit code {process.returncode}"
    raise Misconfigured(text) if process.returncode == EXIT_MISCONFIGURED else BadInput(text)


def main(path: str, cache: str) -> int:
    """Open the tape, telling how it goes; returns the exit code."""
    from app.importers import open_tape

    try:
        root = open_tape(Path(path), Path(cache), lambda share: _say(share=share))
        symbols = _symbols(root)
    except (Misconfigured, BadInput) as error:
        _say(error=str(error))
        return EXIT_MISCONFIGURED if isinstance(error, Misconfigured) else EXIT_FAILED
    _say(root=str(root), symbols=symbols)
    return EXIT_OK


def _symbols(root: Path) -> tuple[str, ...]:
    return tuple(sorted({symbol for venue in venues_in(root) for symbol in symbols_in(root, venue)}))


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
