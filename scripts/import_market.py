"""Import market recordings (Binance USDⓈ-M captures, Bybit v5 sessions; plain, .gz or .zst) into an archive.

Exit code 0: imported; 1: not imported, or interrupted; 2: misuse.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from app.core.errors import AviaryError, Misconfigured
from app.importers import import_recording
from app.importers.summary import ProgressLine, summary
from app.market.instruments import read_instruments
from app.settings import load_settings, resolve


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path, help="files of one recording, in order of time")
    parser.add_argument("--root", type=Path, help="the archive (default: archive.root of the configuration)")
    parser.add_argument("--symbol", help="the symbol to import where there are several")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args()
    try:
        settings = load_settings()
        report = import_recording(
            given.recordings,
            given.root or resolve(settings.archive.root),
            given.symbol,
            ProgressLine(),
            instruments=read_instruments(resolve(settings.symbols_file)),
            clock_interval_ms=settings.pipeline.clock_interval_ms,
        )
    except AviaryError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1
    except KeyboardInterrupt:
        print("interrupted; nothing was imported", file=sys.stderr)
        return 1
    print(msgspec.json.encode(report).decode() if given.json else summary(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
