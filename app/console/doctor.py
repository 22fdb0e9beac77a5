"""`python -m app doctor`: is this machine fit to trade on, and if not, what to do."""

import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.bus.server import find_redis_server
from app.console.lines import Lines
from app.console.models import check_models
from app.console.plan import PIPELINE, names_redis
from app.console.ports import is_free
from app.console.redis_check import OLDEST, inspect_redis
from app.core.errors import AviaryError, Misconfigured
from app.core.process import EXIT_FAILED, EXIT_OK
from app.settings import Settings, load_settings, resolve

_FREE_NEEDED = 1 << 30
_FREE_WANTED = 10 << 30
_SLOW_SYNC_S = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `mark` is ``ok``, ``warn`` or ``fail``; anything but ``ok`` names the remedy."""

    name: str
    mark: str
    text: str


def doctor(*, as_json: bool) -> int:
    """Look at everything; 0 if nothing failed, else 1."""
    findings = list(examine())
    healthy = all(finding.mark != "fail" for finding in findings)
    if as_json:
        print(json.dumps({"healthy": healthy, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        lines = Lines(sys.stdout)
        for finding in findings:
            lines.check(finding.name, finding.text, mark=finding.mark)
    return EXIT_OK if healthy else EXIT_FAILED


def examine() -> Iterator[Finding]:
    """All checks, in the order in which to mend what they find."""
    yield _python()
    try:
        settings = load_settings()
    except Misconfigured as error:
        yield Finding("configuration", "fail", str(error))
        return
    yield Finding("configuration", "ok", f"valid, shard {settings.shard.id}: {', '.join(settings.shard.symbols)}")
    yield _guarded("redis", lambda: _redis(settings))
    yield _guarded("model", lambda: Finding("model", "ok", _models(settings)))
    yield _clock()
    yield _guarded("disk", lambda: _disk(resolve(settings.archive.root)))
    yield from _ports(settings)


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except AviaryError as error:
        return Finding(name, "fail", str(error))


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding("python", "ok", found)


def _models(settings: Settings) -> str:
    return ", ".join(f"{model} ({slot})" for slot, model in check_models(settings).items()) + ", hashes verified"


def _redis(settings: Settings) -> Finding:
    """The configured server, or the one a paper run would start."""
    if not names_redis(settings):
        binary = find_redis_server()
        text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
        version = text.partition("v=")[2].split(" ")[0] or "unknown"
        if version == "unknown" or tuple(map(int, version.split(".")[:2])) < OLDEST:
            return Finding("redis", "fail", f"{binary} has version {version}; install Redis 6.2 or newer")
        return Finding("redis", "ok", f"{version} at {binary}, started append-only by `up` (REDIS_URL is not set)")
    state = asyncio.run(inspect_redis(settings.bus.redis_url.get_secret_value(), settings.shard.id))
    if faults := list(state.faults()):
        return Finding("redis", "fail", "; ".join(faults))
    if warnings := list(state.warnings()):
        return Finding("redis", "warn", "; ".join(warnings))
    kept = "append-only" if state.appendonly else "persistence not shown"
    return Finding("redis", "ok", f"{state.version}, {kept}, {state.entries:,} entries in shard {settings.shard.id}")


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now.year < 2025:
        return Finding("clock", "fail", f"it says {now:%Y-%m-%d}; set the time and run an NTP client")
    synchronised = _synchronised()
    if synchronised is False:
        return Finding("clock", "warn", "the system says it is not synchronised; run chrony or systemd-timesyncd")
    how = "synchronised" if synchronised else "synchronisation unknown on this system"
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC, {how}")


def _synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined; None where that cannot be asked."""
    try:
        found = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(found.stdout.strip())


def _disk(root: Path) -> Finding:
    """Room for the archive, and how long it takes until a write is safe."""
    place = next(path for path in (root, *root.parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    room = f"{free / 2**30:.1f} GiB free at {place}"
    if free < _FREE_NEEDED:
        return Finding("disk", "fail", f"{room}; an archive needs at least 1 GiB: free some or set archive.root")
    try:
        took = _sync_s(place)
    except OSError as error:
        return Finding("disk", "fail", f"{place} cannot be written ({error.strerror}); set archive.root")
    if took > _SLOW_SYNC_S:
        return Finding("disk", "warn", f"{room}, but a synchronous write takes {took * 1000:.0f} ms; use a faster disk")
    if free < _FREE_WANTED:
        return Finding("disk", "warn", f"{room}; a busy symbol writes about 1 GiB a day: free some soon")
    return Finding("disk", "ok", f"{room}, synchronous write {took * 1000:.1f} ms")


def _sync_s(place: Path) -> float:
    with tempfile.TemporaryFile(dir=place) as probe:
        probe.write(b"\0" * 4096)
        began = time.perf_counter()
        probe.flush()
        os.fsync(probe.fileno())
        return time.perf_counter() - began


def _ports(settings: Settings) -> Iterator[Finding]:
    metrics = settings.metrics
    wanted = {f"metrics.{name}": (metrics.host, metrics.port_of(name)) for name in ("sandbox", *PIPELINE)}
    wanted["sandbox.port"] = (settings.sandbox.host, settings.sandbox.port)
    taken = [f"{name} {port}" for name, (host, port) in wanted.items() if port and not is_free(host, port)]
    if not taken:
        yield Finding("ports", "ok", ", ".join(str(port) for _, port in wanted.values()) + " are free")
        return
    yield Finding(
        "ports",
        "warn",
        f"taken: {', '.join(taken)}; `up` will use others, a single service will not start: "
        "stop what listens there (Aviary itself?) or set other ports",
    )
