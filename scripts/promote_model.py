"""Put a registered model into a slot: `--to active|shadow --id MODEL_ID`, or `--to shadow --clear`."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.errors import Misconfigured
from app.registry.slots import promote
from app.settings import load_settings, resolve


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", choices=("active", "shadow"), required=True, help="the slot to fill")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="a model id from the manifest")
    which.add_argument("--clear", action="store_true", help="empty the slot (shadow only)")
    parser.add_argument("--registry", type=Path, help="default: ai_scorer.registry of the configuration")
    given = parser.parse_args()
    try:
        registry = given.registry or resolve(load_settings().ai_scorer.registry)
        switch = promote(registry, given.to, given.id, at=datetime.now(UTC))
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{switch.slot}: {switch.before} -> {switch.after}; restart ai_scorer to load it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
