"""Train the baseline model on the recordings, register it and promote it.

Needed whenever the feature catalogue changes: the scorer refuses a model made for another one. Takes seconds.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.errors import AviaryError
from app.settings import load_settings, resolve


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of recordings; default: AVIARY_SHARED_DATA or ../shared/data")
    parser.add_argument("--registry", type=Path, help="default: ai_scorer.registry of the configuration")
    parser.add_argument("--strategy", default="scalper", help="whose trigger raises the candidates")
    parser.add_argument("--to", choices=("active", "shadow", "none"), default="active", help="the slot to promote to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replace", action="store_true", help="write a bundle of the same id anew")
    given = parser.parse_args()
    try:
        from app.research.register import recordings_folder, train_baseline
    except ModuleNotFoundError as error:
        print(f"training needs {error.name}; install the extra: pip install 'aviary[train]'", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
        bundle = train_baseline(
            settings,
            given.data or recordings_folder(),
            given.registry or resolve(settings.ai_scorer.registry),
            strategy=given.strategy,
            at=datetime.now(UTC).replace(microsecond=0),
            slot=None if given.to == "none" else given.to,
            seed=given.seed,
            replace=given.replace,
        )
    except AviaryError as error:
        print(error, file=sys.stderr)
        return 2
    for name, figure in bundle.card.metrics.items():
        between = "" if figure.low is None else f"  [{figure.low}, {figure.high}]"
        print(f"{name:36}{figure.value:>10}{between}")
    print(f"{bundle.card.id}: tau_entry {bundle.card.thresholds.tau_entry}, tau_hold {bundle.card.thresholds.tau_hold}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
