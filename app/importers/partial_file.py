"""A file that is not all there yet: `<target>.part`, and beside it `<target>.part.json`, which says of what."""

import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from app.core.errors import Misconfigured
from app.store.files import fsync_dir, replace_with, try_lock


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the bytes in the file are of. `validator` is a strong ETag or a Last-Modified, as the server gave it."""

    url: str
    validator: str
    size: int | None


class PartialFile:
    """The file, open and locked. The bytes in it are of `origin`; those of no known origin are not kept.

    Raises:
        Misconfigured: the directory cannot be written, or another process is downloading to the same file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._about = target.with_name(target.name + ".part.json")
        self.origin: Origin | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from None
        if not try_lock(self._file.fileno()):
            self._file.close()
            raise Misconfigured(f"another process is downloading to {self.path}; wait for it, or name another target")
        self.origin = self._read_origin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing came, so there is nothing to go on from.
        if error is not None and self.size == 0:
            self.path.unlink(missing_ok=True)
            self._about.unlink(missing_ok=True)
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def restart(self, origin: Origin) -> None:
        """Forget the bytes so far; the next ones are of `origin`."""
        try:
            # In this order, so that a crash never leaves bytes under another file's name.
            self._about.unlink(missing_ok=True)
            self._file.truncate(0)
            self._file.seek(0)
            os.fsync(self._file.fileno())
            if origin.validator:
                replace_with(self._about, msgspec.json.encode(origin))
        except OSError as error:
            raise self._unwritable(error) from None
        self.origin = origin

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            Misconfigured: the disk is full or broken.
        """
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    def finish(self, name: Path) -> None:
        """Durably give the file the name `name`, in place of what had it."""
        try:
            os.fsync(self._file.fileno())
            self.path.replace(name)
            self._about.unlink(missing_ok=True)
            fsync_dir(name.parent)
        except OSError as error:
            raise self._unwritable(error) from None

    def _read_origin(self) -> Origin | None:
        try:
            return msgspec.json.decode(self._about.read_bytes(), type=Origin)
        except (OSError, msgspec.MsgspecError):
            return None

    def _unwritable(self, error: OSError) -> Misconfigured:
        return Misconfigured(f"{self.path} cannot be written: {error.strerror}; make room or name another target")
