"""The one-command baseline: recordings in, a registered and promoted bundle out."""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from app.core.errors import Misconfigured
from app.market.instruments import read_instruments
from app.registry.bundle import Bundle
from app.registry.manifest import Slot
from app.registry.slots import promote, register
from app.research.baseline import make_baseline
from app.research.dataset import Recipe
from app.research.recordings import read_recording
from app.settings import ROOT, Settings, resolve

#: Continuous recordings, oldest first, below the folder of recordings; the last one is also tuned and tested on.
RECORDINGS: Final = (
    ("binance_usdm/btcusdt_20240718.jsonl.gz", "binance_usdm/btcusdt_20240719.jsonl.gz"),
    ("binance_usdm/btcusdt_20240808.jsonl.gz",),
)
SYMBOL: Final = "BTCUSDT"
NOTES: Final = (
    "Baseline. Thirteen minutes of BTCUSDT on Binance USD-M: calm ones around midnight UTC of 2024-07-19, livelier "
    "ones before that of 2024-08-09, the last two of which are the test. model.json says what that does not prove."
)


def recordings_folder() -> Path:
    """`AVIARY_SHARED_DATA`, or shared/data beside the project."""
    return Path(os.environ.get("AVIARY_SHARED_DATA") or ROOT.parent / "shared" / "data")


def train_baseline(
    settings: Settings,
    data: Path,
    registry: Path,
    *,
    strategy: str,
    at: datetime,
    slot: Slot | None,
    seed: int,
    replace: bool,
) -> Bundle:
    """Train on `RECORDINGS` below `data` with the trigger of `strategy`, register the bundle, put it into `slot`.

    Raises:
        Misconfigured: no such strategy, a recording is missing, or the bundle is registered already and `replace`
            is not set.
    """
    if strategy not in settings.strategies:
        raise Misconfigured(f"strategies has no {strategy!r} (known: {', '.join(sorted(settings.strategies))})")
    instrument = read_instruments(resolve(settings.symbols_file))[SYMBOL]
    recordings = [read_recording([data / name for name in names], SYMBOL) for names in RECORDINGS]
    recipe = Recipe(settings.strategies[strategy].trigger)
    bundle = make_baseline(recordings, instrument, recipe, created_at=at, seed=seed)
    register(registry, bundle, notes=NOTES, replace=replace)
    if slot is not None:
        promote(registry, slot, bundle.card.id, at=at)
    return bundle
