"""`python -m app config show` and `config check`."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from app.console.secrets import shown
from app.core.process import EXIT_OK
from app.market.instruments import read_instruments
from app.settings import Settings, config_paths, environment_assignments, load_settings, resolve
from app.settings_digest import config_digest


def config_show(config: Path | None, overlays: Sequence[str] | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Print the effective configuration, secrets masked, as YAML (or JSON) that could be read again.

    Raises:
        Misconfigured: it is not valid.
    """
    tree = shown(_load(config, overlays, sets))
    if as_json:
        print(json.dumps(tree, indent=2))
    else:
        print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110), end="")
    return EXIT_OK


def config_check(config: Path | None, overlays: Sequence[str] | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Say that the configuration is valid.

    Raises:
        Misconfigured: it is not.
    """
    settings = _load(config, overlays, sets)
    files = [str(path) for path in config_paths(config, overlays)]
    if as_json:
        print(json.dumps({"valid": True, "files": files, "digest": config_digest(settings)}))
    else:
        print(f"valid: {' + '.join(files)} (digest {config_digest(settings)[:12]})")
    return EXIT_OK


def _load(config: Path | None, overlays: Sequence[str] | None, sets: Sequence[str]) -> Settings:
    settings = load_settings(config, overlays, [*environment_assignments(), *sets])
    instruments = read_instruments(resolve(settings.symbols_file))
    for symbol in settings.shard.symbols:
        instruments[symbol]
    return settings
