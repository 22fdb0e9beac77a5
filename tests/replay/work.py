"""What workers do in tests: importable by them, and nothing heavy with it."""

import os
import signal
import time
from pathlib import Path

from app.core.errors import BadInput, Rejected

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def square(n: int) -> int:
    return n * n


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def threads(_: int) -> list[str | None]:
    return [os.environ.get(name) for name in THREADS]


def stumble(n: int) -> int:
    match n:
        case 1:
            raise BadInput("row 7 of b.parquet is no row", reason="row")
        case 2:
            raise Rejected("not on a Sunday", reason="sunday")  # does not survive pickling
        case 3:
            return n // 0
        case 4:
            raise SystemExit("leaving")
    return n


def die(n: int) -> int:
    if n == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return n


def die_once(mark: str) -> str:
    path = Path(mark)
    if path.name == "killed" and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def tell_and_hang(directory: str) -> None:
    Path(directory, str(os.getpid())).touch()
    time.sleep(600)


def stumble_or_die(n: int) -> tuple[int, str | None]:
    if n == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return stumble(n), os.environ.get("OMP_NUM_THREADS")
