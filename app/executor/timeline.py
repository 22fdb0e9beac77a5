"""One order of events out of two streams: rows of the venue, rows of the strategy's view, and what is due.

Nothing is simulated before everything that could come before it is known. The frontier

    F = min(settled − 1 ns, mark)

is as far as that goes: `settled` bounds the rows to come (`app.sim.tape`), and every approval up to the last mark of
sig:approved was sent before that mark. So what happens is a function of the two streams alone, however they were
interleaved and cut.
"""

from app.executor.agenda import VIEW, Answer, Arrive, Cancel, Due, GiveUp, MarkToMarket, Resend, Sample, TimeUp
from app.executor.exits import StrategySide
from app.executor.floor import Floor
from app.executor.venue_side import VenueSide
from app.sim.layout import WATCHED
from app.sim.tape import Tape


class Timeline:
    """Runs a floor over a tape, up to the frontier."""

    def __init__(self, floor: Floor, tape: Tape) -> None:
        self._floor = floor
        self._tape = tape
        self.venue_side = VenueSide(floor)
        self.strategy_side = StrategySide(floor)
        self.frontier: int | None = None

    def run(self, mark: int | None) -> bool:
        """Simulate everything up to the frontier; True if it moved."""
        settled = self._tape.settled
        if settled is None or mark is None:
            return False
        until = min(settled - 1, mark)
        if self.frontier is not None and until <= self.frontier:
            return False
        while self._step(until):
            pass
        self.frontier = until
        return True

    def _step(self, until: int) -> bool:
        """Run to the next thing that happens or is due, and handle it; False if nothing is left before `until`."""
        due = self._floor.agenda.first()
        if due is None or due.time > until:
            due = None
            happenings = self._floor.venue.advance(self._tape, until, until)
        else:
            view_until = due.time if due.rank > VIEW else due.time - 1
            happenings = self._floor.venue.advance(self._tape, due.time, view_until)
        if happenings:
            now = self._floor.venue.now
            for happening in happenings:
                if happening.kind == WATCHED:
                    self.strategy_side.seen(happening.subject, now)
                else:
                    self.venue_side.happen(happening, now)
        elif due is not None:
            self._handle(self._floor.agenda.pop())
        else:
            return False
        return True

    def _handle(self, due: Due) -> None:
        now, what = due.time, due.what
        if isinstance(what, MarkToMarket):
            self._floor.equity_due = False
            if self._floor.ledger.mark_all_to_market(now):
                self._floor.schedule_equity(now)
            return
        position = self._floor.positions.get(due.position)
        if position is None:
            # A timer may outlive its position.
            return
        match what:
            case Arrive():
                self.venue_side.arrive(position, what, now)
            case Cancel():
                self.venue_side.cancel(position, what, now)
            case Sample():
                self.venue_side.sample(position, what)
            case Answer():
                self.strategy_side.learn(position, what, now, more=self._follows(due))
            case TimeUp():
                self.strategy_side.time_up(position, now)
            case Resend():
                self.strategy_side.resend(position, now)
            case GiveUp():
                self.strategy_side.give_up(position, now)

    def _follows(self, answer: Due) -> bool:
        """Whether the next thing due is another answer for the same position at the same time."""
        due = self._floor.agenda.first()
        return due is not None and (due.time, due.rank, due.position) == (answer.time, answer.rank, answer.position)

    def restore(self) -> None:
        """Take up the floor again after it was restored."""
        self.venue_side.restore()
        self.strategy_side.restore()
