"""What durable files need from the operating system: synced directories, atomic replacement, advisory locks."""

import fcntl
import os
from pathlib import Path


def fsync_dir(path: Path) -> None:
    """Make the names in directory `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Lock the open file `fd` for this process; False if another has it. The lock goes when the file is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_with(path: Path, content: bytes) -> None:
    """Give `path` this content, durably and at once: whoever opens it finds the old or the new, whole."""
    unnamed = path.with_name(path.name + ".tmp")
    with unnamed.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unnamed.replace(path)
    fsync_dir(path.parent)
