"""Two lists of canonical records, compared record by record."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

SHOWN: Final = 5


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`differences` counts the records that only one side has; a record that changed counts on both.

    The first few of each side are in `only_first` and `only_second`. `by_type` counts them by the record's type
    (``order``, ``fill``, ``funding``, ``trade``).
    """

    first: int
    second: int
    differences: int
    by_type: dict[str, int]
    only_first: list[str]
    only_second: list[str]

    @property
    def equal(self) -> bool:
        """True if both have the same records, each as often."""
        return self.differences == 0


def compare_records(first: Sequence[bytes], second: Sequence[bytes]) -> Comparison:
    """Compare records as `canonical_records` gives them; their order does not matter, their number does."""
    left, right = Counter(first), Counter(second)
    only_first, only_second = list((left - right).elements()), list((right - left).elements())
    types = Counter(_type_of(line) for line in (*only_first, *only_second))
    return Comparison(
        first=len(first),
        second=len(second),
        differences=len(only_first) + len(only_second),
        by_type=dict(sorted(types.items())),
        only_first=[line.decode() for line in only_first[:SHOWN]],
        only_second=[line.decode() for line in only_second[:SHOWN]],
    )


class _Typed(msgspec.Struct):
    type: str


_decoder = msgspec.json.Decoder(_Typed)


def _type_of(line: bytes) -> str:
    return _decoder.decode(line).type
