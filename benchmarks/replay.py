"""Our replay beside hftbacktest: speed, the growth of time and memory, and whether both give the same orders and fills.

**Speed.** Rows a second of CPU, ours with all features evaluated at every venue message and orders live. hftbacktest
drives the same strategy on the same rows in three forms:

* `features`: computes our features at every feed event too, and trades by them; its values are compared with ours.
  `ratio_vs_hftbacktest` is against this one: equal work;
* `bare`: nothing but the trigger, and that only when the cooldown is over; depth in vectors, its fastest;
* `hashmap`: the trigger at every feed event, depth in hash maps, as its tutorials have it.

All three use its exchange without partial fills, which is its default. What ours does besides is not taken off: it
scores every candidate and open position with the model, gates it, keeps exact accounts, and says all that in messages.

Each side has one process. It compiles before anything is timed; then rounds alternate, and figures are medians of
`time.process_time`. `file` includes reading: ours a Parquet archive, hftbacktest's an uncompressed npz. `memory` begins
with the rows in memory. Rows are counted alike on both sides: the market's, without our clock rows, and without the
second event that hftbacktest needs for a row that is late. Converting rows for hftbacktest is not timed.

**Growth.** The same tape 1 to 8 times over as one archive: nanoseconds a row and peak memory, each in a fresh process.

**Agreement.** Under equal latencies, fees and queue models, first our orders one by one on hftbacktest, then the
strategy on both, in which one differing fill changes what follows. Each difference has a cause that is found, not
assumed (`hft_rules`), and a price; `unexplained` has to be 0. The exit code is 1 if it is not, or if time or memory
grow.

Not looked at: several symbols, markets without trades, hftbacktest's order-level mode, and live trading.

    python -m benchmarks.replay [--quick] [--json] [--tape FILE | --archive DIR] [--symbol SYMBOL]
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from app.core.errors import AviaryError, Misconfigured
from app.importers import open_tape
from app.market.instruments import read_instruments
from app.settings import resolve
from app.store.archive import Archive
from benchmarks.common import arguments, emit, machine
from benchmarks.hft_growth import repeat
from benchmarks.hft_ours import TERMS, read_rows, settings_for
from benchmarks.hft_worker import EAGER

TAPE: Final = (
    Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "binance_usdm" / "btcusdt_20240808.jsonl.gz"
)
#: What a row may cost in the longer archives, and the memory they may take, as a multiple of the shortest's.
FLAT_COST: Final = 1.25
FLAT_MEMORY: Final = 1.15
_BASES: Final = ("file", "memory")
#: What hftbacktest computes: the numbers are those of `hft_layout`, which only its processes may import.
_WORK: Final = {"bare": 0, "hashmap": 1, "features": 2}
_MODELS: Final = (("risk_averse", False), ("power_3", False), ("power_3", True))
_LIMIT_S: Final = 1800
#: Not a module to be run: `make bench` lists those.
_WORKER: Final = "import sys; from benchmarks.hft_worker import main; sys.exit(main(*sys.argv[1:]))"

Figures = dict[str, Any]


class Worker:
    """A process of `hft_worker`, asked question by question."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ready(self) -> None:
        """Wait until it has compiled."""
        self._read()

    def ask(self, what: str, **more: Any) -> Figures:
        """Its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"ask": what, **more}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a process of the benchmark ended with {self._process.wait()}; its message is above")
        answer: Figures = json.loads(line)
        return answer


def _command(side: str, *more: str) -> list[str]:
    return [sys.executable, "-c", _WORKER, side, *more]


@contextmanager
def worker(side: str, archive: Path, symbol: str, npz: Path) -> Iterator[Worker]:
    """A process of that side, ended at the end."""
    with subprocess.Popen(
        _command(side, str(archive), symbol, str(npz)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(
        __doc__ or "",
        argv,
        tape={"type": Path, "help": "a recording (default: the shared btcusdt_20240808)"},
        archive={"type": Path, "help": "an archive instead of a recording"},
        symbol={"help": "one of several symbols (default: the first)"},
        rounds={"type": int, "help": "timed rounds (7; 5 with --quick)"},
    )
    try:
        _check()
        with tempfile.TemporaryDirectory() as folder:
            figures, told = measure(options, Path(folder))
    except AviaryError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1
    if not options.json:
        print("\n".join(told))
    emit("replay", figures, as_json=True)
    return int(figures["unexplained"] > 0 or not (figures["cost_flat"] and figures["memory_flat"]))


def _check() -> None:
    if importlib.util.find_spec("hftbacktest") is None:
        raise Misconfigured(
            "hftbacktest is not installed; pip install 'aviary[bench]' brings what this benchmark needs"
        )


def measure(options: Any, folder: Path) -> tuple[Figures, list[str]]:
    """All figures, and what to print for people."""
    root, symbol = _archive(options, folder)
    rounds = options.rounds or (5 if options.quick else 7)
    with ExitStack() as stack:
        sides = {
            side: stack.enter_context(worker(side, root, symbol, folder / "events.npz"))
            for side in ("ours", "hft", "hashmap")
        }
        for side in sides.values():
            side.ready()
        about = sides["hft"].ask("about")
        figures: Figures = {"tape": _name(options), "symbol": symbol, "rounds": rounds, "rows": about["rows"]}
        figures |= speed(sides, about["rows"], rounds)
        figures["converted"] = {name: value for name, value in about.items() if name not in ("rows", "jit_s")}
        figures["jit_warm_up_s"] = about["jit_s"]
        figures["features"] = sides["hft"].ask("features")
        agreements = {
            f"{queue}{', no partial fills' if whole else ''}": sides["hft"].ask("agree", queue=queue, whole=whole)
            for queue, whole in (_MODELS[:2] if options.quick else _MODELS)
        }
    figures["agreement"] = {name: _without_lines(found) for name, found in agreements.items()}
    figures["unexplained"] = sum(found["unexplained"] for found in agreements.values())
    figures |= growth(root, symbol, folder, quick=options.quick)
    return figures, _told(figures, agreements)


def _archive(options: Any, folder: Path) -> tuple[Path, str]:
    root = options.archive
    if root is None:
        tape = options.tape or TAPE
        if not tape.exists():
            raise Misconfigured(
                f"tape {tape} does not exist; name a recording with --tape or an archive with --archive"
            )
        root = open_tape(tape, folder / "tape")
    found = Archive(root)
    symbol = options.symbol or found.symbols[0]
    if symbol not in found.symbols:
        raise Misconfigured(f"archive {root} has no {symbol}; it has {', '.join(found.symbols)}: choose with --symbol")
    read_instruments(resolve(settings_for(symbol).symbols_file))[symbol]  # says so if its filters are not known
    return root, symbol


def _name(options: Any) -> str:
    path: Path = options.archive or options.tape or TAPE
    return path.name


def speed(sides: Mapping[str, Worker], rows: int, rounds: int) -> Figures:
    """Medians over rounds in which every form takes its turn."""
    forms = {"ours": ("ours", {}), **{name: ("hft", {"work": work}) for name, work in _WORK.items()}}
    forms["hashmap"] = "hashmap", {"work": _WORK["hashmap"]}
    taken: dict[tuple[str, str], list[float]] = {(form, basis): [] for form in forms for basis in _BASES}
    orders: dict[str, int] = {}
    for number in range(rounds + 1):
        for form, basis in taken:
            side, more = forms[form]
            answer = sides[side].ask("measure", basis=basis, **more)
            orders[form] = answer["orders"]
            if number:  # the first round is nobody's
                taken[form, basis].append(answer["cpu_s"])
    rates = {key: rows / statistics.median(values) for key, values in taken.items()}
    ours = {basis: rates["ours", basis] for basis in _BASES}
    found: Figures = {
        "rows_per_cpu_s": ours["file"],
        "ratio_vs_hftbacktest": ours["file"] / rates["features", "file"],
        "basis": "whole replay with reading the file, equal work: all features at every venue message, orders live",
    }
    for form in _WORK:
        name = "" if form == "features" else f"_{form}"
        found[f"ratio_vs_hftbacktest{name}"] = ours["file"] / rates[form, "file"]
        found[f"ratio_vs_hftbacktest{name}_in_memory"] = ours["memory"] / rates[form, "memory"]
    found["speed"] = {
        form: {f"rows_per_cpu_s_{basis}": rates[form, basis] for basis in _BASES} | {"orders": orders[form]}
        for form in forms
    }
    return found


def growth(root: Path, symbol: str, folder: Path, *, quick: bool) -> Figures:
    """Cost and memory as the archive grows: the least of a few rounds each, which is what nothing else disturbed."""
    venue = Archive(root).venues[0]
    rows, archives = read_rows(root, venue, symbol), {}
    for times in (1, 4) if quick else (1, 2, 4, 8):
        archives[times] = folder / f"times-{times}"
        repeat(rows, archives[times], venue=venue, symbol=symbol, times=times)
    answers: dict[int, list[Figures]] = {times: [] for times in archives}
    for _ in range(2 if quick else 3):
        for times, archive in archives.items():
            answers[times].append(_grown(archive, symbol))
    found = [
        {
            "times": times,
            "rows": several[0]["rows"],
            "orders": several[0]["orders"],
            "cost_per_row_ns": min(1e9 * answer["cpu_s"] / answer["rows"] for answer in several),
            "peak_rss_mb": min(answer["peak_rss_mb"] for answer in several),
        }
        for times, several in answers.items()
    ]
    cost, memory = (max(one[name] for one in found) / found[0][name] for name in ("cost_per_row_ns", "peak_rss_mb"))
    return {
        "growth": found,
        "cost_growth": cost,
        "cost_flat": cost <= FLAT_COST,
        "memory_growth": memory,
        "memory_flat": memory <= FLAT_MEMORY,
    }


def _grown(archive: Path, symbol: str) -> Figures:
    done = subprocess.run(
        _command("growth", str(archive), symbol, ""), stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"a replay of {archive.name} ended with {done.returncode}; its message is above")
    answer: Figures = json.loads(done.stdout.splitlines()[-1])
    return answer


def _without_lines(found: Figures) -> Figures:
    return {name: value for name, value in found.items() if name != "lines"}


def _told(figures: Figures, agreements: Mapping[str, Figures]) -> list[str]:
    host = machine()
    return [
        f"replay of {figures['tape']} on {host['cpu']}, {host['cores']} cores, load {host['load']}, "
        f"Python {host['python']}, hftbacktest {host['versions'].get('hftbacktest')}",
        f"  terms on both sides: {', '.join((*TERMS, EAGER))}",
        *_told_speed(figures),
        *_told_growth(figures),
        *(line for name, found in agreements.items() for line in _told_agreement(name, found)),
        f"unexplained: {figures['unexplained']}",
    ]


def _told_speed(figures: Figures) -> list[str]:
    counts = dict(figures["converted"])
    clock, late, events, wakes, one_time = (
        counts.pop(name) for name in ("clock", "bounded_venue_time", "events", "wakes", "one_time")
    )
    kinds = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    lines = [
        "",
        f"{figures['rows']:,} rows: {kinds}; we have {clock:,} clock rows besides",
        f"for hftbacktest they are {events:,} events, as a late row is two, which wake it {wakes:,} times; "
        f"{late:,} venue times had to be bounded; {one_time} times two messages have one ts_recv",
        f"compiled for {figures['jit_warm_up_s']:.0f} s before anything was timed; that is not counted on either side",
        f"  {'million rows / CPU s':<22}{'with file':>12}{'in memory':>12}{'orders':>9}{'ours is':>12}",
    ]
    for form, one in figures["speed"].items():
        suffix = "" if form == "features" else f"_{form}"
        ratio = "" if form == "ours" else f"{figures[f'ratio_vs_hftbacktest{suffix}']:.2f} ×"
        rates = [one[f"rows_per_cpu_s_{basis}"] / 1e6 for basis in _BASES]
        name = form if form == "ours" else f"hftbacktest {form}"
        lines.append(f"  {name:<22}{rates[0]:>12.2f}{rates[1]:>12.2f}{one['orders']:>9}{ratio:>12}")
    faster = [form for form in _WORK if figures["speed"][form]["rows_per_cpu_s_file"] > figures["rows_per_cpu_s"]]
    if faster:
        lines.append(f"  faster than we are: hftbacktest {', '.join(faster)}")
    apart = figures["features"]
    lines.append(
        f"  features there and here at {apart['messages']:,} messages: {apart['features']} of them, "
        f"{apart['equal']:.2%} of the values equal; not shown by hftbacktest: {', '.join(apart['not_shown'])}"
    )
    if apart["worst"]:
        lines.append(
            "  apart from ours at most (sums that decay remember two messages with one ts_recv, for it one event):"
        )
    lines += [f"    {name:<22}{value:.1e} of its size" for name, value in apart["worst"].items()]
    return lines


def _told_growth(figures: Figures) -> list[str]:
    lines = ["", f"  {'times':>5}{'rows':>12}{'orders':>8}{'ns / row':>10}{'peak MB':>10}"]
    for one in figures["growth"]:
        lines.append(
            f"  {one['times']:>5}{one['rows']:>12,}{one['orders']:>8}{one['cost_per_row_ns']:>10.0f}"
            f"{one['peak_rss_mb']:>10.1f}"
        )
    cost, memory = figures["cost_growth"], figures["memory_growth"]
    lines.append(f"  cost × {cost:.3f} (flat: up to {FLAT_COST}), memory × {memory:.3f} (flat: up to {FLAT_MEMORY})")
    return lines


def _told_agreement(name: str, found: Figures) -> list[str]:
    orders, strategy, own = found["orders_one_by_one"], found["strategy"], found["own_account"]
    lines = [
        "",
        f"{name}: our {orders['orders']} orders one by one: {orders['fills_agreed']} fills agree, "
        f"{orders['orders_apart']} orders fare otherwise",
        f"  the strategy on both: {strategy['trips']} entries, {strategy['orders']} orders, "
        f"{strategy['fills_agreed']} fills agree, {strategy['trips_apart']} trips and "
        f"{strategy['candidates_apart']} candidates differ",
        f"  final equity: ours {strategy['equity_ours']}, hftbacktest {strategy['equity_hft']}, apart "
        f"{strategy['equity_apart']}, of which unexplained {strategy['equity_unexplained']}",
        f"  rounding fees up to 1e-8 costs us {found['fee_rounding']} more; hftbacktest's own account leaves out "
        f"{own['fills_not_booked']} fills of orders filled in several steps, and is {own['unexplained']} off otherwise",
    ]
    for part, whole in (("orders", orders), ("trips", strategy)):
        for cause, one in whole["by_cause"].items():
            lines.append(
                f"  {one['trips']} {part}, fills {one['fills_ours']} here and {one['fills_hft']} there, "
                f"{float(one['money']):+.2f}: {cause}: {one['reason']}"
            )
    if found["stopped"]:
        lines.append(f"  {found['stopped']}")
    return lines + [f"    {line}" for line in found["lines"]]


if __name__ == "__main__":
    sys.exit(main())
