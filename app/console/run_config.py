"""The configuration a run had, kept in its directory, and had again."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.console.secrets import shown
from app.core.errors import Misconfigured
from app.settings import Settings, load_settings

CONFIG: Final = "config.json"


def save_config(run: Path, settings: Settings) -> None:
    """Keep the whole effective configuration, secrets masked, in a form that any `--config` reads again."""
    partial = run / f"{CONFIG}.partial"
    partial.write_text(json.dumps(_escaped(shown(settings)), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, run / CONFIG)


def load_config(run: Path, assignments: Sequence[str] = ()) -> Settings:
    """The configuration of the run in directory `run`, with `assignments` laid over it.

    Nothing is taken from the environment. Secrets are masked in it, so it is for replays, not for trading.

    Raises:
        Misconfigured: the run has none, or this version cannot read it.
    """
    path = run / CONFIG
    if not path.exists():
        raise Misconfigured(
            f"{run} has no {CONFIG}, so what it was configured with is not known; "
            "replay its archive with --archive and name a configuration with --config"
        )
    return load_settings(path, [], assignments)


def _escaped(node: Any) -> Any:
    """What stands there stands for itself, and is not to be filled in from the environment once more."""
    match node:
        case dict():
            return {key: _escaped(value) for key, value in node.items()}
        case list():
            return [_escaped(value) for value in node]
        case str():
            return node.replace("${", "$${")
        case _:
            return node
