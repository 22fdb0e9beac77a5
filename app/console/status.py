"""`python -m app status`: how the processes of the newest run, or of the configuration, are."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from app.console.histogram import added, quantile
from app.console.plan import PIPELINE
from app.console.ports import reachable
from app.console.runs import latest_run, load_facts
from app.console.scrape import Scrape, Scraper
from app.core.process import EXIT_FAILED, EXIT_OK
from app.settings import load_settings, resolve


def status(runs: Path, run: Path | None, *, as_json: bool) -> int:
    """Print one line a process; 0 if all are ready, else 1.

    Looks at `run`, else at the newest run in `runs` that is going on, else at the configured ports.

    Raises:
        Misconfigured: `run` is no run, or the configuration is wrong.
    """
    name, urls = _targets(resolve(runs), run)
    found = asyncio.run(_ask(urls))
    rows = [_row(service, scrape) for service, scrape in found.items()]
    ready = all(row["ready"] for row in rows)
    if as_json:
        print(json.dumps({"run": name, "ready": ready, "services": rows}, indent=2))
    else:
        print(f"run {name}" if name else "no run of `up` is going on; looking at the configured ports")
        print("\n".join(_text(row) for row in rows))
    return EXIT_OK if ready else EXIT_FAILED


def _targets(runs: Path, run: Path | None) -> tuple[str | None, dict[str, str]]:
    directory = run or latest_run(runs)
    if directory is not None:
        facts = load_facts(directory)
        if run is not None or (not facts.ended and _alive(facts.pid)):
            return facts.id, {name: service.metrics_url for name, service in facts.services.items()}
    metrics = load_settings().metrics
    host = reachable(metrics.host)
    return None, {name: f"http://{host}:{metrics.port_of(name)}/metrics" for name in PIPELINE}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


async def _ask(urls: dict[str, str]) -> dict[str, Scrape | None]:
    scraper = Scraper()
    try:
        return await scraper.read_all(urls)
    finally:
        await scraper.close()


def _row(service: str, scrape: Scrape | None) -> dict[str, Any]:
    if scrape is None:
        return {"service": service, "up": False, "ready": False}
    ages = added(scrape.ages.values())
    p50, p99 = quantile(ages, 0.5), quantile(ages, 0.99)
    return {
        "service": service,
        "up": True,
        "ready": scrape.ready,
        "lag": sum(scrape.lag.values()),
        "age_p50_ms": None if p50 is None else round(p50 * 1000, 3),
        "age_p99_ms": None if p99 is None else round(p99 * 1000, 3),
        "rss_bytes": scrape.rss_bytes,
        "cpu_s": scrape.cpu_s,
        "dead_letters": int(scrape.dead_letters),
        "retries": int(scrape.retries),
    }


def _text(row: dict[str, Any]) -> str:
    name = f"  {row['service']:<14}"
    if not row["up"]:
        return f"{name} down"
    age = "" if row["age_p99_ms"] is None else f"   age p50 {row['age_p50_ms']:.1f} ms, p99 {row['age_p99_ms']:.1f} ms"
    state = "ready" if row["ready"] else "starting"
    return f"{name} {state:<9} lag {row['lag']:>7,}   {row['rss_bytes'] / 2**20:>5,.0f} MiB{age}"
