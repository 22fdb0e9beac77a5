"""Replay an archive many times under slower networks and in rougher markets, and report what became of the PnL.

The scenarios are in config/scenarios.yml; docs/execution-scenarios.md says what each stands for and how to read the
report. Settings are those of `python -m app replay`. The same seed gives the same report.

Exit code 0: done; 1: interrupted, a run failed, or books do not balance; 2: misuse.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from app.console.bar import make_bar
from app.console.board import Unbreakable
from app.console.interrupts import Interrupts
from app.console.lines import Lines
from app.console.replay_options import ReplayOptions, parse_time
from app.console.replay_plan import ReplayPlan, make_replay_plan
from app.core.errors import AviaryError, Misconfigured
from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED, EXIT_OK
from app.replay.build_facts import build_facts
from app.replay.scenarios.campaign import Campaign, run_campaign
from app.replay.scenarios.catalogue import read_catalogue
from app.replay.scenarios.report import Report, make_report
from app.replay.scenarios.table import table
from app.replay.scenarios.work import Market, played
from app.replay.source import open_source
from app.settings_digest import config_digest
from app.store.files import replace_with


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--archive", type=Path, required=True, metavar="DIR", help="an archive, or a recording to be imported")
    add("--scenarios", default="all", metavar="NAMES", help="which, with commas; base is always run (default: all)")
    add("--scenario-file", type=Path, metavar="YAML", help="laid over config/scenarios.yml")
    add("--runs", type=int, default=50, metavar="N", help="of each scenario that is random (default: %(default)s)")
    add("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    add("--window", type=float, metavar="SECONDS", help="each run gets a part of that length, drawn by its seed")
    add("--no-ladder", action="store_true", help="leave out the search for a break-even latency")
    add("--jobs", type=int, metavar="N", help="runs at a time (default: one a core)")
    add("--ray", metavar="ADDRESS", help="run on this Ray cluster")
    add("--out", type=Path, metavar="JSON", help="write the report here instead of to standard output")
    add("--only", metavar="NAME:RUN", help="repeat this one run here, and print its figures")
    add("--records", type=Path, metavar="FILE", help="with --only: write the run's records here")
    add("--venue", help="where the archive has several")
    add("--symbols", default="", help="with commas (default: all of the archive)")
    add("--from", dest="start", metavar="TIME", help="not before this time")
    add("--to", dest="end", metavar="TIME", help="only before this time")
    add("--recording", help="only this recording of the archive")
    add("--config", type=Path, metavar="YAML", help="instead of config/app.yml")
    add("--overlay", action="append", metavar="NAME", help="lay config/overlays/NAME.yml over it")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a single setting; may be repeated")
    return parser.parse_args()


def planned(given: argparse.Namespace) -> tuple[Campaign, ReplayPlan]:
    """What is to be run.

    Raises:
        AviaryError: options, scenarios, settings or the archive do not fit together, or the archive is damaged.
    """
    catalogue = read_catalogue(given.scenario_file)
    chosen = catalogue.chosen([name.strip() for name in given.scenarios.split(",") if name.strip()])
    options = ReplayOptions(
        archive=given.archive,
        venue=given.venue,
        symbols=tuple(name for name in given.symbols.split(",") if name),
        start=None if given.start is None else parse_time(given.start, "--from"),
        end=None if given.end is None else parse_time(given.end, "--to"),
        recording=given.recording,
        config=given.config,
        overlays=given.overlay,
        assignments=given.set,
    )
    plan = make_replay_plan(options, Unbreakable(Lines(sys.stderr)))
    source = open_source(
        plan.archive, venue=plan.venue, symbols=plan.settings.shard.symbols, start=options.start, end=options.end,
        recording=options.recording,
    )  # fmt: skip
    market = Market(
        archive=plan.archive, venue=plan.venue, recording=options.recording, span=source.span, start=options.start,
        end=options.end, window_s=given.window,
    )  # fmt: skip
    ladder = None if given.no_ladder else catalogue.ladder
    return Campaign(
        settings=plan.settings, market=market, scenarios=chosen, ladder=ladder, runs=given.runs, seed=given.seed
    ), plan


def inputs(plan: ReplayPlan) -> dict[str, object]:
    """What the report says of its inputs, besides what the campaign knows."""
    return {
        "archive": str(plan.archive),
        "venue": plan.venue,
        "symbols": list(plan.settings.shard.symbols),
        "config_digest": config_digest(plan.settings),
        "models": plan.models,
        "versions": build_facts(),
    }


def simulate(given: argparse.Namespace) -> int:
    """Run everything and write the report."""
    if given.out is not None and not given.out.parent.is_dir():
        raise Misconfigured(f"--out {given.out}: there is no directory {given.out.parent}; make it, or name another")
    campaign, plan = planned(given)
    bar, began = make_bar(sys.stderr), time.perf_counter()
    with Interrupts() as interrupts:
        try:
            outcome = run_campaign(
                campaign,
                jobs=given.jobs,
                ray=given.ray,
                stop=lambda: interrupts.asked,
                on_progress=lambda done, of, name: bar.update(done / of, f"{done:,} of {of:,} runs, last of {name}"),
            )
        finally:
            bar.close()
    report = make_report(campaign, outcome, inputs(plan), wall_s=time.perf_counter() - began)
    write(report, given.out)
    return EXIT_OK if report.complete and report.books["balance"] else EXIT_FAILED


def write(report: Report, out: Path | None) -> None:
    text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    if out is None:
        print(text, end="")
    else:
        replace_with(out, text.encode())
    print(table(report), file=sys.stderr if out is None else sys.stdout)


def repeat(given: argparse.Namespace) -> int:
    """Run what --only names, and print its figures."""
    name, _, number = given.only.rpartition(":")
    campaign, _ = planned(given)
    everything = {**read_catalogue(given.scenario_file).scenarios, **campaign.rungs}
    if name not in everything or not number.isdigit():
        raise Misconfigured(
            f"--only {given.only!r} is not of the form scenario:run as a report has it; scenarios: "
            f"{', '.join(everything)}"
        )
    figures, result = played(campaign.work(name, everything[name], int(number)))
    if given.records is not None:
        given.records.write_bytes(b"".join(line + b"\n" for line in result.records))
    print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    return EXIT_OK if figures.books_balance else EXIT_FAILED


def main() -> int:
    given = arguments()
    try:
        if given.records is not None and given.only is None:
            raise Misconfigured("--records writes the records of one run; name it with --only")
        return simulate(given) if given.only is None else repeat(given)
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return EXIT_MISCONFIGURED
    except AviaryError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("ended at once, without a report", file=sys.stderr)
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
