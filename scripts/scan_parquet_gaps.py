"""Look at every row of an archive: missing hours and files, gaps, damage, other layouts; file and row are named.

Exit code 0: clean; 1: something was found; 2: misuse.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.errors import Misconfigured
from app.settings import load_settings, resolve
from app.store.gaps import scan, table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the archive (default: archive.root of the configuration)")
    parser.add_argument("--venue", help="only this venue")
    parser.add_argument("--symbol", action="append", help="only this symbol (may be given several times)")
    parser.add_argument("--max-gap", type=float, default=60.0, metavar="S", help="longest pause (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    try:
        root = given.root or resolve(load_settings().archive.root)
        found = scan(root, venue=given.venue, symbols=given.symbol, max_gap_s=given.max_gap)
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(found)) if given.json else table(found))
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
