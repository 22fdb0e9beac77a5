"""What a format notes down while it reads a recording."""

from collections import Counter
from dataclasses import dataclass, field

from app.importers.report import Tally


@dataclass(slots=True)
class Findings:
    """Counts and remarks for the report of the import; see `ImportReport`.

    `lines` and `truncated` are by input file, in the order they were named.
    """

    read: Counter[str] = field(default_factory=Counter)
    refused: Tally = field(default_factory=Tally)
    repaired: Tally = field(default_factory=Tally)
    warnings: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
