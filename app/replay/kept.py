"""Results that are kept from one call of a sweep to the next: a file each, named after all that made it."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from app.core.errors import Misconfigured
from app.report.sweep_data import TaskFigures
from app.store.files import replace_with, try_lock

TASKS: Final = "tasks"
_LOCK: Final = "sweep.lock"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(TaskFigures)


class Kept:
    """The results in `directory`, which belong to this process for as long as it is open.

    Raises:
        Misconfigured: the directory cannot be made, or another sweep has it.
    """

    def __init__(self, directory: Path) -> None:
        self._tasks = directory / TASKS
        try:
            self._tasks.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Misconfigured(f"report directory {directory} cannot be made ({error.strerror})") from None
        if not try_lock(self._lock):
            os.close(self._lock)
            raise Misconfigured(f"another sweep writes into {directory}; wait for it, or name another directory")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def get(self, digest: str) -> TaskFigures | None:
        """The result with this digest; None if there is none, or not one that this version can read."""
        try:
            return _decoder.decode(self._path(digest).read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def put(self, digest: str, figures: TaskFigures) -> None:
        """Keep a result: all of it or, whatever happens, nothing."""
        replace_with(self._path(digest), _encoder.encode(figures) + b"\n")

    def _path(self, digest: str) -> Path:
        return self._tasks / f"{digest}.json"
