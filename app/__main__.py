"""`python -m app`: start a paper run, look at one, check this machine and the configuration.

Exit codes: 0 done, 1 failed, 2 misconfigured or used wrongly.
"""

# Nothing heavy is imported before a command is chosen: `-h` answers at once.
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout may be started by any Python
    print("error: Aviary needs Python 3.11 or newer, and this is " + sys.version.split()[0], file=sys.stderr)
    sys.exit(2)

HELP = {"help_option_names": ["-h", "--help"]}


class _Commands(TyperGroup):
    """Commands that end as a failure, and say so, when Ctrl-C comes before they look out for it themselves."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _telling():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _telling():
            return super().invoke(ctx)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(1) from None


app = typer.Typer(
    name="aviary",
    cls=_Commands,
    help="Trade on paper, see how it goes, check this machine.\n\n"
    "Exit codes: 0 done, 1 failed, 2 misconfigured or used wrongly.",
    context_settings=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config = typer.Typer(help="Show or check the configuration.", context_settings=HELP, no_args_is_help=True)
app.add_typer(config, name="config")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Base file instead of config/app.yml.")]
Overlays = Annotated[
    list[str] | None, typer.Option("--overlay", help="Name in config/overlays or a path; may be repeated.")
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="key.path=value over all files; may be repeated.")]
Runs = Annotated[Path, typer.Option("--runs", help="Where runs are kept.")]


@app.command()
def up(
    for_: Annotated[str | None, typer.Option("--for", help="End after this: 60, 90s, 5m, 2h.")] = None,
    tape: Annotated[Path | None, typer.Option(help="A recording or an archive to replay.")] = None,
    speed: Annotated[float | None, typer.Option(help="Market time per wall time; 0 is as fast as possible.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the synthetic market.")] = None,
    live: Annotated[str | None, typer.Option(help="bybit: its public feed, no keys needed.")] = None,
    clock: Annotated[str | None, typer.Option(help="wall, or event: two runs of one tape are then equal.")] = None,
    sets: Sets = None,
    overlay: Overlays = None,
    config_file: ConfigFile = None,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Run the whole pipeline on paper until Ctrl-C, then write a report. Needs no Docker, no Redis, no keys."""
    from app.console.options import UpOptions, parse_clock, parse_duration

    def options() -> UpOptions:
        return UpOptions(
            for_s=None if for_ is None else parse_duration(for_),
            tape=tape,
            speed=speed,
            seed=seed,
            live=live,
            clock=parse_clock(clock),
            assignments=sets or (),
            overlays=overlay,
            config=config_file,
            runs=runs,
        )

    _leave(lambda: _up(options(), as_json=as_json))


def _up(options: Any, *, as_json: bool) -> int:
    from app.console.up import up as run

    return run(options, as_json=as_json)


@app.command()
def status(
    run: Annotated[Path | None, typer.Option(help="Directory of a run; else the newest.")] = None,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show whether the processes of a run are up, ready, and keeping up. Exit code 1 unless all are ready."""
    from app.console.status import status as show

    _leave(lambda: show(runs, run, as_json=as_json))


@app.command()
def replay(
    archive: Annotated[Path | None, typer.Option(help="An archive, or a recording to import.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run: its archive under its configuration, compared.")] = None,
    venue: Annotated[str | None, typer.Option(help="Where the archive has several.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Some of the archive's, separated by commas.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Begin at this time, ISO 8601, UTC.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="End before this time.")] = None,
    recording: Annotated[str | None, typer.Option(help="One of several recordings in the archive.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write report, records and trades into this directory.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Replay what can be had of a damaged archive.")] = False,
    sets: Sets = None,
    overlay: Overlays = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Run the same cores over an archive in one process, as fast as it goes. Exit code 1 if a --run is not met."""
    from app.console.replay_command import replay_command as command
    from app.console.replay_options import ReplayOptions, parse_time

    def options() -> ReplayOptions:
        return ReplayOptions(
            archive=archive,
            run=run,
            venue=venue,
            symbols=tuple(filter(None, (symbols or "").split(","))),
            start=None if from_ is None else parse_time(from_, "--from"),
            end=None if to is None else parse_time(to, "--to"),
            recording=recording,
            config=config_file,
            overlays=overlay,
            assignments=sets or (),
            report=report,
            repair=repair,
        )

    _leave(lambda: command(options(), as_json=as_json))


@app.command()
def sweep(
    archive: Annotated[Path, typer.Option(help="An archive, or a recording to import.")],
    report: Annotated[Path, typer.Option(help="Directory of the report and all that is done; another call goes on.")],
    grid: Annotated[
        list[str] | None, typer.Option(help="key.path=value,value: all combinations; may be repeated.")
    ] = None,
    points: Annotated[Path | None, typer.Option(help="A YAML file of points, instead of --grid.")] = None,
    by: Annotated[str, typer.Option(help="What is replayed by itself: day (UTC), recording, or whole.")] = "day",
    days: Annotated[str | None, typer.Option(help="2024-08-01 or 2024-08-01..2024-08-07, both included.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Begin at this time, ISO 8601, UTC.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="End before this time.")] = None,
    venue: Annotated[str | None, typer.Option(help="Where the archive has several.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Some of the archive's, separated by commas.")] = None,
    recording: Annotated[str | None, typer.Option(help="One of several recordings in the archive.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Replays at a time; else one for each core.")] = None,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster to do it on; needs aviary[ray].")] = None,
    sets: Sets = None,
    overlay: Overlays = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Replay every combination of settings over every day, on all cores, and say how much of the best is luck."""
    from app.console.replay_options import parse_time
    from app.console.sweep_command import sweep_command as command
    from app.console.sweep_options import SweepOptions, parse_by

    def options() -> SweepOptions:
        return SweepOptions(
            archive=archive,
            report=report,
            grid=grid or (),
            points=points,
            by=parse_by(by),
            days=days,
            start=None if from_ is None else parse_time(from_, "--from"),
            end=None if to is None else parse_time(to, "--to"),
            venue=venue,
            symbols=tuple(filter(None, (symbols or "").split(","))),
            recording=recording,
            config=config_file,
            overlays=overlay,
            assignments=sets or (),
            jobs=jobs,
            ray=ray,
        )

    _leave(lambda: command(options(), as_json=as_json))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check Python, configuration, Redis, model bundles, clock, disk and ports; every failure names its remedy."""
    from app.console.doctor import doctor as check

    _leave(lambda: check(as_json=as_json))


@app.command()
def download(
    url: Annotated[str, typer.Argument(help="http:// or https:// address of a recording.")],
    target: Annotated[Path, typer.Argument(help="File or directory to download to.")] = Path(),
    sha256: Annotated[str | None, typer.Option(help="What the file's SHA-256 must be.")] = None,
    sidecar: Annotated[bool, typer.Option(help="Look for <url>.CHECKSUM.")] = True,
    as_json: Json = False,
) -> None:
    """Download a recording: run it again to go on after an interruption. The checksum is checked where there is one."""
    from app.console.download_command import download_command as run

    _leave(lambda: run(url, target, sha256=sha256, sidecar=sidecar, as_json=as_json))


@app.command()
def version(as_json: Json = False) -> None:
    """Show the versions of Aviary, Python and the libraries that take part in a result."""
    from app.console.versions import version_command as show

    _leave(lambda: show(as_json=as_json))


@config.command("show")
def config_show(
    config_file: ConfigFile = None, overlay: Overlays = None, sets: Sets = None, as_json: Json = False
) -> None:
    """Print the effective configuration, secrets masked."""
    from app.console.config_commands import config_show as show

    _leave(lambda: show(config_file, overlay, sets or (), as_json=as_json))


@config.command("check")
def config_check(
    config_file: ConfigFile = None, overlay: Overlays = None, sets: Sets = None, as_json: Json = False
) -> None:
    """Check the configuration and say what is wrong with it."""
    from app.console.config_commands import config_check as check

    _leave(lambda: check(config_file, overlay, sets or (), as_json=as_json))


def _leave(command: Any) -> None:
    """Run `command` and leave with its exit code; errors that explain themselves are said without a traceback."""
    from app.core.errors import AviaryError, Misconfigured
    from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED

    try:
        code = command()
    except AviaryError as error:
        print(f"error: {error}", file=sys.stderr)
        code = EXIT_MISCONFIGURED if isinstance(error, Misconfigured) else EXIT_FAILED
    except BrokenPipeError:
        code = EXIT_FAILED
    _flush()
    raise typer.Exit(code)


def _flush() -> None:
    """Write out what is left, or throw it away if whoever read our output has left: Python would fail over it later."""
    import os

    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    app()
