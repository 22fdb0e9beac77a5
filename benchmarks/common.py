"""What all benchmarks share: their command line, how they describe the machine, and how they end.

Convention: `python -m benchmarks.<name> [--quick] [--json]`. `--quick` ends within 45 s. The last line of the output
is one JSON object; with `--json` it is the only line. Figures are medians over rounds that alternate between us and the
reference, so that a disturbance of the machine hits both.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_VERSIONS = ("aviary", "redis", "hiredis", "numba", "numpy", "msgspec", "uvloop", "ccxt", "hftbacktest")


def arguments(doc: str, argv: Sequence[str] | None = None, **extra: Mapping[str, Any]) -> argparse.Namespace:
    """Parse `--quick`, `--json` and any `extra` options (name → keywords of `add_argument`)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; ends within 45 s")
    parser.add_argument("--json", action="store_true", help="print nothing but the final JSON object")
    for name, keywords in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **keywords)
    return parser.parse_args(argv)


def machine() -> dict[str, Any]:
    """The machine, its load and the versions that matter."""
    versions = {}
    for name in _VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "kernel": platform.release(),
        "versions": versions,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def cpu_of(work: Callable[[], object]) -> float:
    """Seconds of this process's CPU (user and system, all threads) that `work` takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def medians(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median result of each of `works` over `rounds` alternating rounds, after one round nobody counts."""
    results: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            value = work()
            if number:
                results[name].append(value)
    return {name: statistics.median(values) for name, values in results.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank); NaN without values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def emit(name: str, figures: Mapping[str, Any], *, notes: Sequence[str] = (), as_json: bool = False) -> None:
    """Print the figures for people, then as the closing JSON line."""
    host = machine()
    if not as_json:
        print(f"{name} on {host['cpu']}, {host['cores']} cores, load {host['load']}, Python {host['python']}")
        print("  " + ", ".join(f"{package} {version}" for package, version in host["versions"].items()))
        for note in notes:
            print(f"  {note}")
        for key, value in figures.items():
            print(f"  {key:<28} {value if not isinstance(value, float) else format(value, '.4g')}")
    print(json.dumps({"benchmark": name, **figures, "machine": host}))
    sys.stdout.flush()
