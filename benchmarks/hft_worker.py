"""A process that does one side's work for `benchmarks.replay`, and says in JSON lines what it took.

Each side has a process of its own for the whole benchmark: it compiles once, before anything is timed, and is asked in
turns with the others. `growth` answers one question and ends, since peak memory is one of a process.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from app.core.clock import NS_PER_MS
from app.market.instruments import read_instruments
from app.replay import run as replay
from app.settings import Settings, resolve
from app.store.archive import Archive
from benchmarks.hft_ours import read_rows, run_ours, settings_for

Answer = dict[str, Any]

#: All features, whatever asks for them.
EAGER: Final = "signal_engine.evaluate=every_message"
_WARM_ROWS: Final = 4000


def settings_of(symbol: str, queue: str = "power_3", *more: str) -> Settings:
    """What both sides work under."""
    return settings_for(symbol, f"executor.paper.queue={queue}", *more)


class Ours:
    """Our pipeline. `file`: the whole replay of the archive. `memory`: the same cores on rows that lie in memory."""

    def __init__(self, archive: Path, symbol: str) -> None:
        self._settings, self._archive = settings_of(symbol, "power_3", EAGER), archive
        self._rows = read_rows(archive, Archive(archive).venues[0], symbol)
        run_ours(self._settings, self._rows[:_WARM_ROWS])
        replay(self._settings, archive, stop=lambda: True)

    def measure(self, basis: str) -> Answer:
        """Seconds of CPU, and orders sent."""
        if basis == "memory":
            run = run_ours(self._settings, self._rows)
            return {"cpu_s": run.cpu_s, "orders": run.orders}
        result = replay(self._settings, self._archive)
        return {"cpu_s": result.cpu_s, "orders": result.tally.orders}


class Hft:
    """hftbacktest with our strategy, its depth in vectors or in hash maps; `file` is an uncompressed npz."""

    def __init__(self, archive: Path, symbol: str, npz: Path, *, vector: bool) -> None:
        from benchmarks import hft_layout as o
        from benchmarks.hft_run import Terms
        from benchmarks.hft_tape import convert, write_npz

        settings = settings_of(symbol)
        self._symbol, self._vector, self._npz = symbol, vector, npz
        self._instrument = read_instruments(resolve(settings.symbols_file))[symbol]
        self._rows = read_rows(archive, Archive(archive).venues[0], symbol)
        self._tape = convert(self._rows, settings.pipeline.reorder_hold_ms * NS_PER_MS)
        # Its exchange without partial fills is its default, and cannot stop with an error in the middle of a run.
        self._terms = Terms(settings, self._instrument, whole=True)
        if vector:
            write_npz(npz, self._tape.events)
        began = time.perf_counter()
        self._drive(self._tape.events[:_WARM_ROWS].copy(), o.WHEN_DUE)
        self.jit_s = time.perf_counter() - began

    def about(self) -> Answer:
        """What the rows became."""
        return {
            **self._tape.counts,
            "rows": len(self._tape.rows),
            "wakes": len(self._tape.wakes),
            "jit_s": self.jit_s,
            "one_time": int((self._tape.message_ends.sum()) - len(self._tape.wakes)),
        }

    def _drive(self, data: Any, work: int) -> int:
        from benchmarks import hft_layout as o
        from benchmarks.hft_run import drive

        hbt, arrays = drive(self._tape, self._terms, data, work, vector=self._vector)
        hbt.close()
        if arrays.result[o.ERROR]:
            raise SystemExit(
                f"hftbacktest stopped with code {arrays.result[o.ERROR]} at {arrays.result[o.ERROR_TS]} while it was "
                "timed; there is no ratio without it"
            )
        return int(arrays.result[o.N_ORDERS])

    def measure(self, basis: str, work: int) -> Answer:
        """Seconds of CPU from building the backtest to closing it, and orders sent."""
        data = str(self._npz) if basis == "file" else self._tape.events
        began = time.process_time()
        orders = self._drive(data, work)
        return {"cpu_s": time.process_time() - began, "orders": orders}

    def agree(self, queue: str, *, whole: bool) -> Answer:
        """What both make of the same rows."""
        from benchmarks.hft_agree import agree, as_figures, lines
        from benchmarks.hft_run import Terms

        terms = Terms(settings_of(self._symbol, queue), self._instrument, whole)
        found = agree(self._tape, self._rows, terms)
        told = [f"order {line}" for line in lines(found.orders, terms)]
        return {**as_figures(found), "lines": told + [f"trip {line}" for line in lines(found.strategy, terms)]}

    def features(self) -> Answer:
        """How far the features computed on hftbacktest are from ours."""
        from benchmarks.hft_agree import features_apart

        return features_apart(self._tape, self._rows, self._terms)


def growth(archive: Path, symbol: str) -> Answer:
    """A replay of an archive, with the peak memory of this process."""
    result = replay(settings_of(symbol, "power_3", EAGER), archive)
    return {"rows": result.rows, "cpu_s": result.cpu_s, "peak_rss_mb": _peak_mb(), "orders": result.tally.orders}


def _peak_mb() -> float:
    # Not ru_maxrss: that begins with what the parent had when it forked.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def serve(side: str, archive: Path, symbol: str, npz: Path) -> None:
    """Answer questions (`{"ask": name, …}`) until the input ends."""
    answers = _answers()
    worker: Any = Ours(archive, symbol) if side == "ours" else Hft(archive, symbol, npz, vector=side == "hft")
    _say(answers, {"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        answer: Callable[..., Answer] = getattr(worker, question.pop("ask"))
        _say(answers, answer(**question))


def _answers() -> TextIO:
    """Where answers go: the output as it was, apart from what hftbacktest's library prints there of its files."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _say(answers: TextIO, answer: Answer) -> None:
    print(json.dumps(answer), file=answers, flush=True)


def main(side: str, archive: str, symbol: str, npz: str) -> int:
    """Be the process of `side`: ours, hft, hashmap or growth."""
    if side == "growth":
        _say(sys.stdout, growth(Path(archive), symbol))
    else:
        serve(side, Path(archive), symbol, Path(npz))
    return 0
