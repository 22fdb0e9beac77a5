"""Splits a recording's rows into the archive's parts, one for each symbol and hour."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from app.core.errors import BadInput, Misconfigured
from app.market.rows import Rows
from app.store.layout import CLOCK_SYMBOL, NS_PER_HOUR, Sidecar, hour_dir, read_sidecar, sidecar_of
from app.store.part_writer import PartWriter
from app.store.proof import Seqs
from app.store.publish import Publication


class ArchiveWriter:
    """Appends rows, in the order of their recording, to parts staged in `publication`.

    `symbols` maps the instrument ids in the rows to symbols; `first_seq` is the counter of the first row.
    The caller commits the publication after `close`.
    """

    def __init__(
        self, publication: Publication, *, venue: str, recording: str, symbols: Mapping[int, str], first_seq: int = 0
    ) -> None:
        self._publication = publication
        self._venue, self._recording = venue, recording
        self._symbols = {**symbols, 0: CLOCK_SYMBOL}
        self._seq = first_seq
        self._hour = -1
        self._open: dict[int, tuple[Path, PartWriter]] = {}
        self._done: list[Sidecar] = []

    def append(self, rows: Rows) -> None:
        """Add `rows`, whose ts_recv goes on not decreasing.

        Raises:
            Misconfigured: a row carries an instrument id that no symbol has.
        """
        hours = rows["ts_recv"] // NS_PER_HOUR
        cuts = np.flatnonzero(hours[1:] != hours[:-1]) + 1
        seq = np.arange(self._seq, self._seq + len(rows), dtype=np.uint64)
        self._seq += len(rows)
        for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            if start < end:
                self._append_hour(int(hours[start]), rows[start:end], seq[start:end])

    def close(self) -> list[Sidecar]:
        """Finish the parts that are open; return what was written, or was in its place already."""
        self._finish_hour()
        return self._done

    def _append_hour(self, hour: int, rows: Rows, seq: Seqs) -> None:
        if hour < self._hour:
            raise BadInput(f"rows of {self._recording} go back from hour {self._hour} to hour {hour}", reason="order")
        if hour > self._hour:
            self._finish_hour()
            self._hour = hour
        for instrument in np.unique(rows["instrument"]):
            of_it = rows["instrument"] == instrument
            part, counters = (rows, seq) if of_it.all() else (rows[of_it], seq[of_it])
            self._part(int(instrument), int(part["ts_recv"][0])).append(part, counters)

    def _part(self, instrument: int, first_ts: int) -> PartWriter:
        if instrument not in self._open:
            symbol = self._symbol_of(instrument)
            place = hour_dir(symbol, first_ts) / f"part-{first_ts}.parquet"
            writer = PartWriter(
                self._publication.scratch(f"{len(self._done)}-{instrument}.parquet"),
                venue=self._venue,
                symbol=symbol,
                instrument=instrument,
                recording=self._recording,
            )
            self._open[instrument] = place, writer
        return self._open[instrument][1]

    def _symbol_of(self, instrument: int) -> str:
        try:
            return self._symbols[instrument]
        except KeyError:
            known = ", ".join(f"{i}={symbol}" for i, symbol in sorted(self._symbols.items()) if i)
            raise Misconfigured(
                f"rows carry instrument id {instrument}, which no symbol has (known: {known}); "
                "add it to config/symbols.yml and run this again"
            ) from None

    def _finish_hour(self) -> None:
        for place, writer in self._open.values():
            about = writer.close()
            self._done.append(about)
            free = self._free_place(place, about)
            if free is not None:
                self._publication.place(writer.path, free)
                self._publication.write(sidecar_of(free), msgspec.json.format(msgspec.json.encode(about)) + b"\n")
        self._open.clear()

    def _free_place(self, place: Path, about: Sidecar) -> Path | None:
        """`place`, or one beside it if another recording began at the same instant; None if the rows are there."""
        for candidate in (place, place.with_stem(f"{place.stem}-{about.first_seq}-{about.recording}")):
            there = self._publication.venue_dir / candidate
            if not sidecar_of(there).exists():
                return candidate
            if read_sidecar(there).same_rows(about):
                return None
        raise BadInput(
            f"{there} holds other rows of the same recording {about.recording}; the archive was changed by hand: "
            "move that file away and run this again",
            reason="conflict",
        )
