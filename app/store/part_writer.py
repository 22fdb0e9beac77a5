"""Writes one Parquet file of event rows with their counters, and says what proves it."""

import zlib
from base64 import b64encode
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.market.rows import EVENT, RAW, SCHEMA, Rows
from app.store.layout import Sidecar
from app.store.part import COLUMNS, file_sha256, inside
from app.store.proof import ROW_GROUP, Content, Seqs, Stretches

# Times and counters rise steadily and are small as differences; the other columns have few distinct values.
_DELTAS = ("ts_event", "ts_recv", "seq")
_FOOTER_END = 8


class PartWriter:
    """Writes the rows of one symbol and hour to `path`; `close` gives the sidecar."""

    def __init__(self, path: Path, *, venue: str, symbol: str, instrument: int, recording: str) -> None:
        self.path = path
        self._venue, self._symbol, self._instrument, self._recording = venue, symbol, instrument, recording
        self._writer = pq.ParquetWriter(
            path,
            COLUMNS,
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in COLUMNS.names if name not in _DELTAS],
            column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
            # Looked at only where the file is damaged: which of its pages can be trusted?
            write_page_checksum=True,
        )
        self._buffer: list[tuple[Rows, Seqs]] = []
        self._buffered = 0
        self._rows = 0
        self._first = self._last = (0, 0)
        self._content, self._stretches = Content(), Stretches()

    def append(self, rows: Rows, seq: Seqs) -> None:
        """Add `rows`, counted by `seq`, which must go on rising."""
        if not self._rows:
            self._first = int(seq[0]), int(rows["ts_recv"][0])
        self._last = int(seq[-1]), int(rows["ts_recv"][-1])
        self._rows += len(rows)
        # Row groups of one size whatever the sizes appended: the same rows always make the same file.
        while self._buffered + len(rows) >= ROW_GROUP:
            room = ROW_GROUP - self._buffered
            self._buffer.append((rows[:room], seq[:room]))
            self._flush()
            rows, seq = rows[room:], seq[room:]
        if len(rows):
            self._buffer.append((rows, seq))
            self._buffered += len(rows)

    def close(self) -> Sidecar:
        """Finish the file. Its size, hash and footer are in the sidecar, which cannot be in the file itself."""
        self._flush()
        about = Sidecar(
            schema=SCHEMA,
            venue=self._venue,
            symbol=self._symbol,
            instrument=self._instrument,
            recording=self._recording,
            rows=self._rows,
            first_seq=self._first[0],
            last_seq=self._last[0],
            first_ts=self._first[1],
            last_ts=self._last[1],
            content_sha256=self._content.get(),
            stretches=self._stretches.get(),
        )
        self._writer.add_key_value_metadata(inside(about))
        self._writer.close()
        return msgspec.structs.replace(
            about, bytes=self.path.stat().st_size, sha256=file_sha256(self.path), footer=_footer(self.path)
        ).sealed()

    def _flush(self) -> None:
        if not self._buffer:
            return
        rows = np.concatenate([rows.view(RAW) for rows, _ in self._buffer]).view(EVENT)
        seq = np.concatenate([seq for _, seq in self._buffer])
        self._buffer, self._buffered = [], 0
        self._content.append(rows, seq)
        self._stretches.update(rows, seq)
        columns = [pa.array(np.ascontiguousarray(rows[name])) for name in EVENT.names or ()]
        table = pa.Table.from_arrays([*columns, pa.array(seq)], schema=COLUMNS)
        self._writer.write_table(table, row_group_size=ROW_GROUP)


def _footer(path: Path) -> str:
    """What says where everything in the file is: without it, a file that is cut short could not be read at all."""
    with path.open("rb") as file:
        file.seek(-_FOOTER_END, 2)
        size = int.from_bytes(file.read(4), "little") + _FOOTER_END
        file.seek(-size, 2)
        return b64encode(zlib.compress(file.read(), 9)).decode()
