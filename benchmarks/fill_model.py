"""Fill models against the truth: did the order fill, and when?

LOBSTER files show every order of a day, so the fate of each is known. A virtual order takes each real one's place in
the queue; fill models, shown nothing but L2 and trades, say whether and when it fills. See docs/fill-assumptions.md
for what is scored how.

Orders that came in the second half of a file are scored. `calibrated` is fitted to those that ended in its first half,
`calibrated_elsewhere` to all the other files, `calibrated_given` is read with --curve. The main figures take all files
together, `files` has them apart; 95 % intervals come from a bootstrap over blocks of ten minutes, shorter ones in short
files. A day that is there twice, as its zip and unpacked or at two depths, is scored once: `left_out` names the copies,
and what was scored in their place. `refused` of a file counts what of it could not be used, by reason.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured
from app.importers.lobster.files import LobsterDay, find_day, is_lobster
from app.importers.lobster.l3 import read_l3
from app.importers.report import Tally
from app.sim.fills.curve import FillCurve, Flags, fit_curve, load_curve
from app.sim.fills.models import Day, Prediction, day_of
from app.sim.fills.score import Outcome, gain, intervals, joined, outcome, score
from app.sim.fills.truth import NEVER
from benchmarks.common import arguments, emit

DATA: Final = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "lobster"
BLOCK_NS: Final = 600 * NS_PER_S
BLOCKS: Final = 20  # at least, where a file is short
HORIZONS_S: Final = (0.1, 1.0, 10.0, 60.0)
QUICK_MESSAGES: Final = 200_000
RIVALS: Final = ("risk_averse", "proportional", "power_2", "power_3", "optimistic")
SEED: Final = 20


class File(NamedTuple):
    """A file's day, which of its orders are scored, what the models say, and what of it was refused."""

    name: str
    day: Day
    scored: Flags
    said: dict[str, Prediction]
    refused: Tally


def find_days(path: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The LOBSTER days at `path`, by name: zips, and message files with their order book files beside them.

    A day that is there several times is taken once, at its greatest depth; the second value names the others, and what
    is taken in their place.

    Raises:
        Misconfigured: there is none, or one of the two files of a day is missing.
        BadInput: a zip is damaged.
    """
    given = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    found = [find_day(file) for file in given if file.suffix in (".zip", ".csv") and is_lobster(file)]
    if not found:
        raise Misconfigured(f"--lobster {path}: no LOBSTER day there; expected its zip, or its two CSV files")
    taken: dict[str, LobsterDay] = {}
    left_out: dict[str, str] = {}
    # A pair of files is found twice, once by each.
    for day in sorted(dict.fromkeys(found), key=lambda day: (-day.levels, day.path, day.message_name)):
        same = next((name for name, other in taken.items() if _overlap(day, other)), None)
        if same is None:
            taken[_file_of(day).stem] = day
        else:
            left_out[_file_of(day).name] = same
    return {name: _file_of(day) for name, day in sorted(taken.items())}, left_out


def _file_of(day: LobsterDay) -> Path:
    """The zip, or the message file."""
    return day.path / day.message_name if day.path.is_dir() else day.path


def _overlap(one: LobsterDay, other: LobsterDay) -> bool:
    """Whether both have messages of the same symbol and time; a day may come in parts."""
    if (one.symbol, one.day) != (other.symbol, other.day):
        return False
    (start, end), (other_start, other_end) = (
        (int(ms) for ms in day.message_name.split("_")[2:4]) for day in (one, other)
    )
    return start < other_end and other_start < end


def read_files(paths: dict[str, Path], messages: int | None, given: FillCurve | None) -> list[File]:
    """Follow all orders of all files, at most the first `messages` of each, and let every model speak."""
    refused = {name: Tally() for name in paths}
    days = {name: day_of(read_l3(path, refused[name])[:messages]) for name, path in paths.items()}
    files = []
    for name, day in days.items():
        half = len(day.ts) // 2
        said = day.by_rule()
        _calibrate(said, "calibrated", day, [(day, day.truth.end < half)])
        others = [(other, other.truth.end >= 0) for key, other in days.items() if key != name]
        _calibrate(said, "calibrated_elsewhere", day, others)
        if given is not None:
            said["calibrated_given"] = day.by_curve(given)
        files.append(File(name, day, day.truth.came >= half, said, refused[name]))
    return files


def _calibrate(said: dict[str, Prediction], name: str, day: Day, history: Sequence[tuple[Day, Flags]]) -> None:
    """Add the model fitted to `history` (day and which of its orders), unless nothing was ever filled there."""
    rungs = [one.rungs()[chosen] for one, chosen in history]
    filled = [one.truth.was_filled()[chosen] for one, chosen in history]
    if any(flags.any() for flags in filled):
        said[name] = day.by_curve(fit_curve(np.concatenate(rungs), np.concatenate(filled)))


def outcomes(file: File) -> dict[str, Outcome]:
    """Each model's predictions for the scored orders beside what happened."""
    came = file.day.ts[file.day.truth.came]
    since = np.maximum(came - came[file.scored].min(initial=np.iinfo(np.int64).max), 0)
    length = max(min(BLOCK_NS, int(since.max(initial=0)) // BLOCKS), 1)
    block = np.asarray(since // length, np.int64)
    return {name: outcome(file.day, said, block).of(file.scored) for name, said in file.said.items()}


def table(found: dict[str, Outcome], rounds: int) -> dict[str, Any]:
    """Figures and 95 % intervals of every model, also of its gain in Brier score over each of RIVALS."""
    return {
        name: {
            **score(one),
            "interval": intervals(one, rounds, SEED),
            "brier_gain_over": {other: gain(one, found[other], rounds, SEED) for other in RIVALS if other != name},
        }
        for name, one in found.items()
    }


def groups(file: File) -> dict[str, Flags]:
    """The scored orders by distance from the touch and by the queue ahead of them, and those in dispute.

    In dispute are orders whose price traded before their end, but not so much that any model must fill them.
    """
    truth, scored = file.day.truth, file.scored
    ahead, distance = truth.ahead[scored], truth.distance[scored]
    third, two_thirds = np.quantile(ahead[ahead > 0], [1 / 3, 2 / 3]) if (ahead > 0).any() else (0, 0)
    rungs = file.day.rungs()[scored]
    return {
        "touch": distance == 0,
        "1 tick": distance == 1,
        "2+ ticks": distance >= 2,
        "nothing ahead": ahead == 0,
        "short queue": (ahead > 0) & (ahead <= third),
        "middling queue": (ahead > third) & (ahead <= two_thirds),
        "long queue": ahead > max(two_thirds, 0),
        "in dispute": (rungs > 0) & (rungs < 4),
    }


def grouped(file: File, found: dict[str, Outcome]) -> dict[str, Any]:
    """Count, share filled and scores by group."""
    filled = file.day.truth.was_filled()[file.scored]
    return {
        group: {
            "orders": int(chosen.sum()),
            "filled": float(filled[chosen].mean()) if chosen.any() else None,
            "models": {name: score(one.of(chosen)) for name, one in found.items()},
        }
        for group, chosen in groups(file).items()
    }


def at_horizons(file: File) -> dict[str, Any]:
    """Wrong answers some time after arrival, for scored orders that were not withdrawn before.

    At its own end an order is withdrawn or filled for a reason; a strategy's time limit knows none. Here a model that
    is a millisecond late is not wrong, as it is at the end.
    """
    day, out = file.day, {}
    came, never = day.ts[day.truth.came], np.iinfo(np.int64).max
    filled = np.where(day.truth.was_filled(), day.ts[np.minimum(day.truth.filled, len(day.ts) - 1)] - came, never)
    rested = day.ts[day.truth.end] - came
    for horizon in HORIZONS_S:
        limit = int(horizon * NS_PER_S)
        known = file.scored & ((filled <= limit) | (rested > limit))
        models = {}
        for name, said in file.said.items():
            fills = (said.row != NEVER) & (day.ts[np.minimum(said.row, len(day.ts) - 1)] - came <= limit)
            false, missed = fills & (filled > limit), ~fills & (filled <= limit)
            models[name] = {"false_fills": int(false[known].sum()), "missed_fills": int(missed[known].sum())}
        out[f"{horizon:g} s"] = {
            "orders": int(known.sum()),
            "filled": int((filled[known] <= limit).sum()),
            "models": models,
        }
    return out


def file_figures(file: File, found: dict[str, Outcome], rounds: int) -> dict[str, Any]:
    """All that there is to say of one file."""
    truth = file.day.truth
    return {
        "messages": len(file.day.ts),
        "refused": msgspec.to_builtins(file.refused),
        "orders": len(truth.came),
        "scored": int(file.scored.sum()),
        "filled": float(truth.was_filled()[file.scored].mean()) if file.scored.any() else None,
        "end_not_shown": int((~truth.shown_end[file.scored]).sum()),
        "models": table(found, rounds),
        "groups": grouped(file, found),
        "horizons": at_horizons(file),
    }


def lines(title: str, models: dict[str, Any]) -> list[str]:
    """The models' figures for people."""
    head = f"{'':<22}{'accuracy':>10}{'Brier':>10}{'time err':>10}{'mean':>9}{'false':>7}{'missed':>8}  Brier 95 %"
    out = [f"{title}:", head]
    for name, one in models.items():
        spread = one.get("interval", {}).get("brier")
        figures = [one[key] for key in ("accuracy", "brier", "log_time_error", "log_time_error_mean")]
        texts = ["-" if value is None else f"{value:.5f}" for value in figures]
        out.append(
            f"  {name:<20}{texts[0]:>10}{texts[1]:>10}{texts[2]:>10}{texts[3]:>9}"
            f"{one['false_fills']:>7}{one['missed_fills']:>8}"
            + (f"  {spread[0]:.5f} … {spread[1]:.5f}" if spread else "")
        )
    out.append(f"  {'Brier gain, 1e-4':<20}" + "".join(f"{'over ' + rival:>20}" for rival in RIVALS))
    for name, one in models.items():
        out.append(f"  {name:<20}" + "".join(f"{_span(one['brier_gain_over'].get(rival)):>20}" for rival in RIVALS))
    return out


def _span(found: list[float | None] | None) -> str:
    if found is None or None in found:
        return ""
    return " … ".join(f"{1e4 * value:.1f}" for value in found if value is not None)


def details(figures: dict[str, Any]) -> list[str]:
    """What was refused, Brier scores by group, and wrong answers by horizon, for people."""
    names = list(figures["models"])
    titles = "".join(f"{name.replace('calibrated', 'cal')[:12]:>14}" for name in names)
    faults = (f"{fault['count']} {reason} (first {fault['first']})" for reason, fault in figures["refused"].items())
    out = [
        f"  {figures['messages']:,} messages, {figures['orders']:,} orders; refused: {', '.join(faults) or 'nothing'}",
        f"  {'Brier by group':<18}{'orders':>8}{'filled':>9}{titles}",
    ]
    for group, one in figures["groups"].items():
        if one["orders"]:
            briers = "".join(f"{one['models'][name]['brier']:>14.5f}" for name in names)
            out.append(f"  {group:<18}{one['orders']:>8}{one['filled']:>9.4f}{briers}")
    out.append(f"  {'false+missed after':<18}{'orders':>8}{'filled':>9}{titles}")
    for horizon, one in figures["horizons"].items():
        wrong = (one["models"][name] for name in names)
        texts = "".join(f"{str(each['false_fills']) + '+' + str(each['missed_fills']):>14}" for each in wrong)
        out.append(f"  {horizon:<18}{one['orders']:>8}{one['filled']:>9}{texts}")
    return out


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(
        __doc__,
        argv,
        lobster={"type": Path, "default": DATA, "metavar": "PATH", "help": "folder, zip or CSV of LOBSTER days"},
        curve={"type": Path, "metavar": "FILE", "help": "also score a curve of scripts/calibrate_fill_model.py"},
    )
    began, rounds = time.process_time(), 200 if options.quick else 1000
    try:
        given = None if options.curve is None else load_curve(options.curve)
        days, left_out = find_days(options.lobster)
        files = read_files(days, QUICK_MESSAGES if options.quick else None, given)
    except (BadInput, Misconfigured) as error:
        print(error, file=sys.stderr)
        return 2
    for name, taken in left_out.items():
        print(f"{name} is left out: it has the same day as {taken}, which is used", file=sys.stderr)
    found = {file.name: outcomes(file) for file in files}
    common = set.intersection(*(set(each) for each in found.values()))
    names = [name for name in files[0].said if name in common]
    models = table({name: joined([each[name] for each in found.values()]) for name in names}, rounds)
    apart = {file.name: file_figures(file, found[file.name], rounds) for file in files}
    if not options.json:
        for name, figures in apart.items():
            print("\n".join([*lines(name, figures["models"]), *details(figures), ""]))
        print("\n".join(lines("all files", models)))
    scored = sum(figures["scored"] for figures in apart.values())
    cpu = time.process_time() - began
    figures = {"scored": scored, "models": models, "files": apart, "left_out": left_out, "cpu_seconds": cpu}
    emit("fill_model", figures, as_json=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
