"""From the options of `replay` to what is replayed, under which settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.console.board import View
from app.console.checklist import open_tape
from app.console.models import check_models
from app.console.plan import symbol_assignments
from app.console.replay_options import ReplayOptions
from app.console.run_config import CONFIG, load_config
from app.console.runs import load_facts
from app.core.errors import Misconfigured
from app.market.instruments import read_instruments
from app.report.facts import RECORDS, RunFacts
from app.settings import Settings, environment_assignments, load_settings, resolve
from app.settings_digest import config_digest
from app.store.archive import Archive
from app.store.layout import symbols_in


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """`of` has the facts of the run to compare with, None for an archive alone."""

    settings: Settings
    archive: Path
    venue: str | None
    of: RunFacts | None
    models: dict[str, str]


def make_replay_plan(options: ReplayOptions, view: View) -> ReplayPlan:
    """Work out what to replay.

    Raises:
        Misconfigured: options, settings or the archive do not fit together.
    """
    options.check()
    plan = _of_run(options, options.run, view) if options.run else _of_archive(options, view)
    instruments = read_instruments(resolve(plan.settings.symbols_file))
    for symbol in plan.settings.shard.symbols:
        instruments[symbol]
    return plan


def _of_archive(options: ReplayOptions, view: View) -> ReplayPlan:
    assert options.archive is not None
    _warn_of_unsealed(options.archive, view)
    root = open_tape(options.archive, view).root
    venue = _venue(root, options.venue)
    given = environment_assignments()
    base = load_settings(options.config, options.overlays, [*given, *options.assignments])
    symbols = _chosen(options.symbols, symbols_in(root, venue), root)
    implied = symbol_assignments(base, symbols)
    settings = load_settings(options.config, options.overlays, [*given, *implied, *options.assignments])
    return ReplayPlan(settings, root, venue, None, check_models(settings))


def _of_run(options: ReplayOptions, run: Path, view: View) -> ReplayPlan:
    facts = load_facts(run)
    base = load_config(run)
    if not (run / RECORDS).exists():
        raise Misconfigured(
            f"run {run} never got to its report, so it has no {RECORDS} to compare with; replay it as an archive: "
            f"--archive {run / 'archive'} --config {run / CONFIG}"
        )
    symbols = _chosen(options.symbols, base.shard.symbols, run)
    implied = symbol_assignments(base, symbols) if options.symbols else []
    settings = load_config(run, [*implied, *options.assignments])
    if config_digest(base) != facts.config_digest:
        view.check("configuration", "is not quite the run's: the symbols file or this version changed", mark="warn")
    models = check_models(settings)
    if models != facts.models:
        view.check("model", f"was {facts.models} in the run and is {models} now", mark="warn")
    archive = _archive_of(run, base, options)
    _warn_of_unsealed(archive, view)
    return ReplayPlan(settings, archive, options.venue or base.collector.venue, facts, models)


def _archive_of(run: Path, settings: Settings, options: ReplayOptions) -> Path:
    own, configured = run / "archive", resolve(settings.archive.root)
    if own.is_dir():
        return own
    if not settings.archive.enabled:
        raise Misconfigured(f"run {run} kept no archive (archive.enabled was false), so it cannot be replayed")
    if options.recording is None and options.start is None:
        raise Misconfigured(
            f"run {run} kept its rows in {configured}, which may hold those of others too; name its recording with "
            "--recording, or its time with --from and --to"
        )
    return configured


def _warn_of_unsealed(root: Path, view: View) -> None:
    left = list((root / "spool").glob("*/*/*.rows"))
    if left:
        view.check(
            "archive",
            f"{len(left)} file(s) of its spool are not sealed yet and are left out; once nothing records into it: "
            f"python -m app.store.seal --root {root} --all",
            mark="warn",
        )


def _venue(root: Path, wanted: str | None) -> str:
    """The venue asked for, or the only one."""
    venues = Archive(root).venues
    if wanted is not None:
        if wanted not in venues:
            raise Misconfigured(f"archive {root} has no venue {wanted!r} (venues there: {', '.join(venues)})")
        return wanted
    if len(venues) > 1:
        raise Misconfigured(f"archive {root} has several venues; name one with --venue: {', '.join(venues)}")
    return venues[0]


def _chosen(wanted: Sequence[str], known: Sequence[str], where: Path) -> tuple[str, ...]:
    missing = [symbol for symbol in wanted if symbol not in known]
    if missing or not known:
        raise Misconfigured(f"{where} has no {', '.join(missing) or 'symbols'} (there: {', '.join(known) or 'none'})")
    return tuple(wanted or known)
