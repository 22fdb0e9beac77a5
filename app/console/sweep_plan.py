"""From the options of `sweep` to what is replayed, under which settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.console.board import View
from app.console.plan import symbol_assignments
from app.console.replay_options import ReplayOptions
from app.console.replay_plan import ReplayPlan, make_replay_plan
from app.console.sweep_options import SweepOptions
from app.replay.stretches import Stretch, find_stretches
from app.replay.sweep_points import Point, grid_points, make_points, read_points
from app.settings import Settings, environment_assignments, load_settings


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """`base` is the configuration without the points' settings."""

    base: Settings
    archive: Path
    venue: str
    points: list[Point]
    stretches: list[Stretch]
    keys: list[str]
    models: dict[str, str]


def make_sweep_plan(options: SweepOptions, view: View) -> SweepPlan:
    """Work out what to replay; every configuration is made here, so that a wrong one is known before anything starts.

    Raises:
        Misconfigured: options, a setting or the archive do not fit together.
        BadInput: rows are missing from the archive.
    """
    options.check()
    given = grid_points(options.grid) if options.points is None else read_points(options.points)
    replay = _replay_plan(options, view)
    assert replay.venue is not None
    points = make_points(given, _Loader(options, replay.settings.shard.symbols))
    start, end = options.limits
    stretches = find_stretches(
        replay.archive,
        venue=replay.venue,
        symbols=replay.settings.shard.symbols,
        by=options.by,
        start=start,
        end=end,
        recording=options.recording,
    )
    keys = list(dict.fromkeys(key for point in points for key in point.given))
    return SweepPlan(replay.settings, replay.archive, replay.venue, points, stretches, keys, replay.models)


def _replay_plan(options: SweepOptions, view: View) -> ReplayPlan:
    return make_replay_plan(
        ReplayOptions(
            archive=options.archive,
            venue=options.venue,
            symbols=options.symbols,
            config=options.config,
            overlays=options.overlays,
            assignments=options.assignments,
        ),
        view,
    )


class _Loader:
    """Gives the configuration with a point's settings over everything else."""

    def __init__(self, options: SweepOptions, symbols: Sequence[str]) -> None:
        self._options = options
        self._given = environment_assignments()
        base = load_settings(options.config, options.overlays, [*self._given, *options.assignments])
        self._given = [*self._given, *symbol_assignments(base, symbols), *options.assignments]

    def __call__(self, assignments: Sequence[str]) -> Settings:
        return load_settings(self._options.config, self._options.overlays, [*self._given, *assignments])
