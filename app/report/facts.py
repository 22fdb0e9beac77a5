"""What a run was: its inputs, its versions and how it ended. Kept in `run.json`, shown at the top of its report."""

from typing import Final

import msgspec

#: Files in a run's directory.
FACTS: Final = "run.json"
EVENTS: Final = "events.jsonl"
SAMPLES: Final = "samples.jsonl"
RECORDS: Final = "records.jsonl"
REPORT: Final = "report.json"
PAGE: Final = "report.html"


class ServiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process of the run is found and how it fared."""

    metrics_url: str
    pid: int = 0
    log: str = ""
    restarts: int = 0


class RepairFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a damaged archive put right or left out in one way: rows of one file, and the first of them.

    `meaning` says in words what `kind` is. Rows are counted from 0 in their file.
    """

    kind: str
    meaning: str
    file: str
    rows: int
    row: int
    detail: str


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one run. Times are ISO 8601 in UTC; `duration_s` is wall-clock seconds from when all
    processes were ready until something ended the run.

    `config_digest` covers every setting that can change a result and none that cannot (ports, paths, log level).
    `starting_cash` is by strategy, in quote currency. `ended_by` says why the run ended, `failure` what went wrong.
    `rows`, `cpu_s` and `repairs` are of a replay only: event rows handled, CPU seconds used, and what was done about
    an archive that is damaged.
    """

    id: str
    kind: str
    source: str
    clock: str
    symbols: list[str]
    config_digest: str
    starting_cash: dict[str, str]
    started: str
    ended: str = ""
    duration_s: float = 0.0
    ended_by: str = ""
    failure: str = ""
    tape: str = ""
    seed: int | None = None
    speed: float = 1.0
    models: dict[str, str] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    options: dict[str, str] = msgspec.field(default_factory=dict)
    services: dict[str, ServiceFacts] = msgspec.field(default_factory=dict)
    pid: int = 0
    rows: int = 0
    cpu_s: float = 0.0
    repairs: list[RepairFacts] = []
