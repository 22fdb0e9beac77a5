"""What proves rows: digests of short stretches of a part, which tell what damage has spared from what it has not."""

import binascii
import hashlib
from base64 import b64decode, b64encode
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.market.rows import Rows

Seqs = npt.NDArray[np.uint64]

#: Rows of a row group, and of a stretch that has a digest of its own. On disk: never change them.
ROW_GROUP: Final = 65_536
STRETCH: Final = 1_024
_ENTRY: Final = np.dtype([("first_seq", "<u8"), ("digest", "V8")])


class Content:
    """SHA-256 of a part's rows and their counters: of the rows of a row group, then their counters, and so on."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._waiting: list[tuple[Rows, Seqs]] = []
        self._count = 0

    def append(self, rows: Rows, seq: Seqs) -> None:
        """Add rows, in blocks of any size."""
        while self._count + len(rows) >= ROW_GROUP:
            room = ROW_GROUP - self._count
            self._waiting.append((rows[:room], seq[:room]))
            self._flush()
            rows, seq = rows[room:], seq[room:]
        self._waiting.append((rows, seq))
        self._count += len(rows)

    def get(self) -> str:
        """In hexadecimal, of all that was added; nothing can be added after that."""
        self._flush()
        return self._sum.hexdigest()

    def _flush(self) -> None:
        for rows, _ in self._waiting:
            self._sum.update(rows.tobytes())
        for _, seq in self._waiting:
            self._sum.update(seq.tobytes())
        self._waiting, self._count = [], 0


def content_sha256(rows: Rows, seq: Seqs) -> str:
    """`Content` of all rows of a part."""
    content = Content()
    content.append(rows, seq)
    return content.get()


class Stretches:
    """Collects the digests of a part while it is written; `get` is what its sidecar keeps."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, bytes]] = []

    def update(self, rows: Rows, seq: Seqs) -> None:
        """Add a row group."""
        for at in range(0, len(rows), STRETCH):
            self._entries.append((int(seq[at]), _digest(rows[at : at + STRETCH], seq[at : at + STRETCH])))

    def get(self) -> str:
        """The first counter and the digest of each stretch, in base64."""
        return b64encode(np.array(self._entries, _ENTRY).tobytes()).decode()


class Lost(NamedTuple):
    """Rows that a part had when it was written: their place then, how many, and their first counter."""

    row: int
    rows: int
    seq: int


class Proof(NamedTuple):
    """Which rows are as they were written, and what of that is not there."""

    good: npt.NDArray[np.bool_]
    lost: list[Lost]


def prove(rows: Rows, seq: Seqs, *, written: int, first_seq: int, content: str, stretches: str) -> Proof:
    """Compare `rows`, in the order of their counters, with what is known of the `written` rows of a part.

    Without (readable) `stretches`, as in archives of earlier versions, a part is as it was as a whole or not at all.
    """
    entries = _read(stretches)
    if not len(entries):
        whole = len(rows) == written and content_sha256(rows, seq) == content
        return Proof(np.full(len(rows), whole), [] if whole else [Lost(0, written, first_seq)])
    good, lost = np.zeros(len(rows), np.bool_), []
    at = [*np.searchsorted(seq, entries["first_seq"]).tolist(), len(seq)]
    for number, (first, expected) in enumerate(entries.tolist()):
        low, high = at[number], at[number + 1]
        if high > low and _digest(rows[low:high], seq[low:high]) == expected:
            good[low:high] = True
        else:
            row = number * STRETCH
            lost.append(Lost(row, max(0, min(STRETCH, written - row)), first))
    return Proof(good, lost)


def _read(stretches: str) -> npt.NDArray[np.void]:
    try:
        return np.frombuffer(b64decode(stretches, validate=True), _ENTRY)
    except (binascii.Error, ValueError):
        return np.empty(0, _ENTRY)


def _digest(rows: Rows, seq: Seqs) -> bytes:
    return hashlib.blake2b(rows.tobytes() + seq.tobytes(), digest_size=8).digest()
