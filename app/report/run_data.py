"""Everything a report is made from, taken in once from a run's recorded events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec

from app.messages.base import Message
from app.messages.control import DeadLetter
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.messages.signals import ApprovedSignal
from app.report.events import read_events
from app.report.facts import EVENTS, FACTS, SAMPLES, RunFacts
from app.report.measures import EquityCurve, equity_curve
from app.report.samples import Sample, read_samples
from app.report.tally import Tally

_MONEY = (OrderUpdate, Fill, FundingPaid, ClosedTrade, Equity)


@dataclass(frozen=True, slots=True)
class RunData:
    """Everything a report is made from.

    `money` are the messages of the executor in their order; the others are only counted, in `tally`. `span` has the
    event times of the first and the last message in ns, both 0 if there is none. `quotes` has bid and ask of each
    approved entry, by signal id.
    """

    facts: RunFacts
    tally: Tally
    money: Sequence[Message]
    span: tuple[int, int]
    samples: Mapping[str, Sequence[Sample]]
    quotes: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def starting_cash(self) -> dict[str, Decimal]:
        return {strategy: Decimal(amount) for strategy, amount in self.facts.starting_cash.items()}

    @property
    def trades(self) -> list[ClosedTrade]:
        return sorted((m for m in self.money if isinstance(m, ClosedTrade)), key=lambda m: (m.ts, m.signal_id))

    @property
    def curve(self) -> EquityCurve:
        marks = (m for m in self.money if isinstance(m, Equity))
        return equity_curve(marks, self.starting_cash, until=self.span[1])


class Gathering:
    """Takes a run in, message by message: most are only counted, those of the executor kept."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.money: list[Message] = []
        self.quotes: dict[str, tuple[float, float]] = {}
        self.span = (0, 0)

    def take(self, message: Message) -> None:
        """Take in one message."""
        self.tally.update(message)
        if isinstance(message, _MONEY):
            self.money.append(message)
        elif isinstance(message, ApprovedSignal) and message.kind == "entry":
            self.quotes[message.id] = message.bid, message.ask
        # Dead letters have the time of the wall clock, whatever clock the market has.
        if not isinstance(message, DeadLetter):
            first, last = self.span
            self.span = min(first or message.ts, message.ts), max(last, message.ts)

    def data(self, facts: RunFacts, samples: Mapping[str, Sequence[Sample]]) -> RunData:
        """Everything a report is made from."""
        # In the order of the data, then what is no service.
        names = dict.fromkeys((*(name for name in facts.services if name in samples), *samples))
        kept = {name: samples[name] for name in names}
        return RunData(facts, self.tally, self.money, self.span, kept, self.quotes)


def gather(facts: RunFacts, messages: Iterable[Message], samples: Mapping[str, Sequence[Sample]]) -> RunData:
    """Take in a run; `messages` are read once, and most of them not kept."""
    gathering = Gathering()
    for message in messages:
        gathering.take(message)
    return gathering.data(facts, samples)


def read_run(directory: Path) -> RunData:
    """Take in what a run left in `directory`.

    Raises:
        BadInput: a line of its events or samples cannot be read.
    """
    facts = msgspec.json.decode((directory / FACTS).read_bytes(), type=RunFacts)
    events, samples = directory / EVENTS, directory / SAMPLES
    return gather(
        facts,
        read_events(events) if events.exists() else (),
        read_samples(samples) if samples.exists() else {},
    )
