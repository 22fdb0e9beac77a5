"""Makes a set of files visible in the archive all at once, or not at all, whenever the process dies.

Files are written under `.staging`, then moved to their places while a journal names them; readers leave out what a
journal names. The journal's removal is the moment of publication. Whoever writes next takes back what a dead writer
left. One writer a venue at a time; readers wait for none but the moves themselves.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from app.core.errors import Misconfigured, Retryable
from app.store.files import fsync_dir, replace_with
from app.store.layout import venue_dir

_STAGING, _JOURNAL, _WRITER, _COMMIT = ".staging", ".publishing.json", ".writer", ".commit"


class Publication:
    """Write files to `scratch`, `place` them, then `commit`; leaving the context without `commit` discards them.

    Raises:
        Misconfigured: on entering, the archive cannot be written at all.
        Retryable: on leaving, for an `OSError` inside (the disk is full or failing).
    """

    def __init__(self, root: Path, venue: str) -> None:
        self.venue_dir = venue_dir(root, venue)
        self._staging = self.venue_dir / _STAGING
        self._staged: dict[Path, Path] = {}
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            self.venue_dir.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.venue_dir / _WRITER, fcntl.LOCK_EX)
        except OSError as error:
            raise Misconfigured(
                f"archive {self.venue_dir} cannot be written ({error.strerror}); name another"
            ) from None
        _take_back(self.venue_dir)
        self._staging.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        os.close(self._lock)
        if isinstance(error, OSError):
            raise Retryable(
                f"nothing was published in archive {self.venue_dir}: {error}; free space there, or name another archive"
            ) from error

    def scratch(self, name: str) -> Path:
        """A path for a temporary file, gone when the context is left."""
        return self._staging / name

    def place(self, path: Path, place: Path) -> None:
        """Have the scratch file `path` appear at `place`, relative to the venue's directory, on `commit`."""
        self._staged[place] = path

    def write(self, place: Path, content: bytes) -> None:
        """Have a file with this content appear at `place` on `commit`."""
        path = self.scratch(f"written-{len(self._staged)}")
        path.write_bytes(content)
        self.place(path, place)

    def commit(self) -> None:
        """Publish what was placed, replacing any files that are in those places."""
        for path in self._staged.values():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        places = sorted(self._staged)
        for directory in {self.venue_dir / place.parent for place in places}:
            directory.mkdir(parents=True, exist_ok=True)
        lock = _locked(self.venue_dir / _COMMIT, fcntl.LOCK_EX)
        try:
            replace_with(self.venue_dir / _JOURNAL, msgspec.json.encode([str(place) for place in places]))
            for place in places:
                self._staged[place].replace(self.venue_dir / place)
            _sync_dirs(self.venue_dir, places)
            (self.venue_dir / _JOURNAL).unlink()
            fsync_dir(self.venue_dir)
        finally:
            os.close(lock)


@contextmanager
def settled(directory: Path) -> Iterator[frozenset[Path]]:
    """While held, nothing is published under a venue's `directory`; gives the files that readers must leave out."""
    lock = -1
    with suppress(FileNotFoundError):  # a copy of an archive, which nobody writes to
        lock = os.open(directory / _COMMIT, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield frozenset(directory / place for place in _journal(directory))
    finally:
        if lock >= 0:
            os.close(lock)


def _locked(path: Path, how: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(fd, how)
    return fd


def _journal(directory: Path) -> list[Path]:
    try:
        return [Path(place) for place in msgspec.json.decode((directory / _JOURNAL).read_bytes(), type=list[str])]
    except FileNotFoundError:
        return []


def _take_back(directory: Path) -> None:
    """Remove what a writer that died left: its half-moved files, its journal, its staging."""
    places = _journal(directory)
    if places:
        for place in places:
            (directory / place).unlink(missing_ok=True)
        _sync_dirs(directory, places)
        (directory / _JOURNAL).unlink()
    shutil.rmtree(directory / _STAGING, ignore_errors=True)


def _sync_dirs(directory: Path, places: Iterable[Path]) -> None:
    for parent in {ancestor for place in places for ancestor in place.parents}:
        if (directory / parent).is_dir():
            fsync_dir(directory / parent)
