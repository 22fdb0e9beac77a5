"""How many cores this process may use, which in a container is fewer than the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def usable_cpus(root: Path = _ROOT, groups: Path = Path("/proc/self/cgroup")) -> int:
    """Cores by affinity, or by the CPU quota of the control group and those above it, if that is less; at least 1."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root, groups))]))


def _quotas(root: Path, groups: Path) -> Iterator[float]:
    try:
        lines = groups.read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _second_version(root, path)
        elif "cpu" in controllers.split(","):
            yield from _first_version(root / "cpu" / path.lstrip("/"))


def _second_version(root: Path, path: str) -> Iterator[float]:
    group = root / path.lstrip("/")
    for directory in (group, *group.parents):
        with_quota = _words(directory / "cpu.max")
        if len(with_quota) == 2 and with_quota[0] != "max":
            yield int(with_quota[0]) / int(with_quota[1])
        if directory == root:
            return


def _first_version(group: Path) -> Iterator[float]:
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    if quota and period and int(quota[0]) > 0:
        yield int(quota[0]) / int(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
