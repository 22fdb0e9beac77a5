"""A fingerprint of everything in the configuration that can change a result."""

import hashlib
import json
from typing import Any

from app.settings import Settings, resolve

#: Where things run and are kept, and how much is said about it: the same money comes out whatever these are.
_NEUTRAL = (
    "archive", "bus", "logging", "metrics", "collector.rest_url", "collector.ws_url", "collector.flush_ms",
    "collector.max_block_rows", "collector.stale_after_s", "collector.reconnect_max_s", "sandbox.host", "sandbox.port",
    "sandbox.speed", "symbols_file", "ai_scorer.registry",
)  # fmt: skip


def config_digest(settings: Settings) -> str:
    """SHA-256 over the settings that count and over what the symbols file says.

    A tape counts by its name, which for an imported recording has the hash of its content, not by its folder.
    """
    tree = settings.model_dump(mode="json")
    tree["sandbox"]["tape"] = settings.sandbox.tape and settings.sandbox.tape.name
    for path in _NEUTRAL:
        _remove(tree, path.split("."))
    symbols = resolve(settings.symbols_file).read_bytes()
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical + b"\0" + symbols).hexdigest()


def _remove(tree: dict[str, Any], path: list[str]) -> None:
    *parents, leaf = path
    for name in parents:
        tree = tree[name]
    # A path that no longer exists would silently stop protecting the digest.
    del tree[leaf]
