"""Runs a job again and again in child processes, each killed (SIGKILL) at the next of its file operations.

    python -m tests.store.crash_driver seal|import DIR ARGUMENT…

Before each run DIR/work is restored from DIR/given. After each kill the archive is read as it is, then the job is run
to its end and the archive is read again. Prints one JSON line for each kill point: the rows seen right after the kill,
and rows, parts and the rows' SHA-256 at the end.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.errors import Misconfigured
from app.importers import import_recording
from app.store.archive import Archive, ArchiveReader
from app.store.seal import main as seal

OPERATIONS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def killed_at(operation: int, job: Callable[[], object]) -> bool:
    """Run `job` in a child that dies at its `operation`-th file operation; False if it came to its end before."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in OPERATIONS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_CREAT)):
                seen += 1
                if seen > operation:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.addaudithook(hook)
        job()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def look(root: Path) -> tuple[int, int, str]:
    """Rows, parts and digest of what a reader finds."""
    digest, rows = hashlib.sha256(), 0
    try:
        for venue in Archive(root).venues:
            for block in ArchiveReader(root, venue):
                rows += len(block)
                digest.update(block.tobytes())
    except Misconfigured:
        return 0, 0, ""  # nothing there yet
    return rows, len(list(root.rglob("part-*.json"))), digest.hexdigest()


def main() -> None:
    kind, directory, arguments = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    work = directory / "work"

    def job() -> object:
        if kind == "seal":
            return seal(["--root", str(work), *arguments])
        return import_recording([Path(argument) for argument in arguments], work)

    operation, killed = 0, True
    while killed:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(directory / "given", work)
        killed = killed_at(operation, job)
        after_kill = look(work)
        assert not killed_at(10**9, job)
        rows, parts, digest = look(work)
        print(json.dumps({"seen": after_kill[0], "rows": rows, "parts": parts, "digest": digest}), flush=True)
        operation += 1


if __name__ == "__main__":
    main()
