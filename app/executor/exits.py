"""How a position is left: the strategy's side, which acts on what it knows, not on what is.

* Take-profit: one resting limit for all that is known to be open. When more of the entry fills it is replaced by
  one for the larger size (and goes to the back of the queue); while a replacement is on its way no other is sent. If
  the venue cancels it because it would take liquidity, the target is already reached and a market order leaves.
* Stop-loss: the best price of the strategy's view, at the end of a venue message, is at the stop or beyond.
* Time: the position is as old as its `max_hold_ms`.
* Hold: a hold evaluation scored below the model's `tau_hold`, and the position is at least `hold_grace_ms` old.

The last three cancel what still rests and send a market order. It is reduce-only and as large as the entry, so that
the venue clamps it to what is really held: whatever filled in the meantime, it leaves all of it and turns nothing
round. If it finds nothing to fill it is sent again when the strategy's view shows something.

If the venue rejects a target or an exit it is sent again, but not at once (see `app.executor.backoff`).
"""

from collections.abc import Iterable

from app.core.clock import NS_PER_MS
from app.core.ids import client_order_id
from app.executor.agenda import TIMER, Answer, Due, Resend, TimeUp
from app.executor.floor import Floor
from app.executor.positions import Order, Position
from app.messages.execution import Leg
from app.sim.orders import MARKET, NOTHING_TO_FILL, NOTHING_TO_REDUCE, WOULD_TAKE

# A price that any best price has crossed.
_ANY = 1 << 60
# What is due for one position at one time is told apart by these.
_TIME_UP, _RESEND = 0, 1


class StrategySide:
    """Learns what the venue did, and decides when and how positions are left."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._by_index: dict[int, Position] = {}
        self._watching: dict[str, tuple[int, int, int, int]] = {}

    def learn(self, position: Position, answer: Answer, now: int, *, more: bool) -> None:
        """An answer of the venue arrives. With `more` of them at this very time, decisions wait for those."""
        order = position.orders[answer.order]
        if order.leg != "entry" and not order.acknowledged:
            self._first_heard(position, order, answer, now)
        order.acknowledged = True
        fresh, order.known = answer.filled - order.known, answer.filled
        if order.leg == "entry":
            position.known_in += fresh
            position.known_value = answer.value
            position.entry_over = answer.over
            if fresh and not position.known_since:
                self._begin(position, answer.ts, now)
        else:
            position.known_out += fresh
            if answer.over:
                self._closing_over(position, order, answer.reason)
        if more:
            return
        self._decide(position, now)
        if position.forgettable:
            self._watch(position, None)
            self._floor.forget(position)

    def _begin(self, position: Position, since: int, now: int) -> None:
        position.known_since = since
        at = max(now, since + position.signal.max_hold_ms * NS_PER_MS)
        self._floor.agenda.add(Due(at, TIMER, position.id, _TIME_UP, TimeUp()))

    def _first_heard(self, position: Position, order: Order, answer: Answer, now: int) -> None:
        # What finds nothing to reduce was not refused: the position is flat, and what comes later is another order.
        if answer.rejected and answer.reason != NOTHING_TO_REDUCE:
            at = position.backoff.rejected(order.leg, now)
            self._floor.agenda.add(Due(at, TIMER, position.id, _RESEND, Resend()))
        else:
            position.backoff.accepted(order.leg)

    def _closing_over(self, position: Position, order: Order, reason: str) -> None:
        del position.orders[order.id]
        if position.closing == order.id:
            position.closing = ""
        if reason == WOULD_TAKE:
            position.exit_reason = position.exit_reason or "take_profit"
        elif reason == NOTHING_TO_FILL and order.is_market:
            position.starved = True

    def time_up(self, position: Position, now: int) -> None:
        """The position reached its longest age."""
        self._leave(position, "max_hold", now)

    def resend(self, position: Position, now: int) -> None:
        """What was rejected may be sent again, unless it was rejected once more since."""
        if now >= position.backoff.until:
            self._decide(position, now)

    def give_up(self, position: Position, now: int) -> None:
        """A hold evaluation was below its threshold."""
        old_enough = now - position.known_since >= position.grace
        if position.known_lots > 0 and old_enough:
            self._leave(position, "tau_hold", now)

    def seen(self, index: int, now: int) -> None:
        """The strategy's view shows the price that the position of this index is watched for."""
        position = self._by_index[index]
        if position.starved:
            position.starved = False
            self._decide(position, now)
        else:
            self._leave(position, "stop_loss", now)

    def _leave(self, position: Position, reason: str, now: int) -> None:
        if not position.exit_reason:
            position.exit_reason = reason
            self._decide(position, now)

    def _decide(self, position: Position, now: int) -> None:
        """Send what follows from what is known."""
        leaving = bool(position.exit_reason)
        done = position.known_in > 0 and position.known_lots == 0
        entry = position.entry
        if (leaving or done) and not position.entry_over and not entry.cancelling:
            self._floor.send_cancel(position, entry, "exit" if leaving else "target_hit", now)
        if leaving:
            self._exit(position, now)
        elif position.known_lots > 0:
            self._protect(position, now)
        self._arm(position, now)

    def _protect(self, position: Position, now: int) -> None:
        """Keep a take-profit working for all that is known to be open."""
        target = position.orders.get(position.closing)
        if target is not None:
            enough = target.lots - target.known >= position.known_lots
            if enough or not target.acknowledged or target.cancelling:
                return
            self._floor.send_cancel(position, target, "resized", now)
            if not self._floor.rules.reduce_only:
                return
        if position.backoff.holds("take_profit", now):
            return
        self._send(position, "take_profit", position.target_tick(), position.known_lots, now)

    def _exit(self, position: Position, now: int) -> None:
        """Cancel what rests and leave at the market."""
        working = [order for order in position.orders.values() if order.leg != "entry"]
        for order in working:
            if not order.is_market and not order.cancelling:
                self._floor.send_cancel(position, order, "exit", now)
        if position.known_lots <= 0 or position.starved or any(order.is_market for order in working):
            return
        if position.backoff.holds("exit", now):
            return
        if self._floor.rules.reduce_only:
            self._send(position, "exit", MARKET, position.entry.lots, now)
        elif not working and position.entry_over:
            self._send(position, "exit", MARKET, position.known_lots, now)

    def _send(self, position: Position, leg: Leg, tick: int, lots: int, now: int) -> None:
        rules = self._floor.rules
        attempt = position.attempts.get(leg, 0)
        position.attempts[leg] = attempt + 1
        order = Order(
            id=client_order_id(position.id, leg, attempt),
            leg=leg,
            side=-position.side,
            tick=tick,
            lots=lots,
            post_only=rules.post_only and leg == "take_profit",
            reduce_only=rules.reduce_only,
            reason=position.exit_reason or "take_profit",
        )
        position.closing = order.id
        self._floor.send_order(position, order, now)

    def _arm(self, position: Position, now: int) -> None:
        """Watch for the stop, or for anything at all while an exit waits for someone to trade with."""
        if position.starved:
            self._watch(position, _ANY * position.side)
        elif position.exit_reason or position.known_lots <= 0:
            self._watch(position, None)
        else:
            stop = position.stop_tick()
            self._watch(position, stop)
            if self._floor.venue.view_crossed(position.slot, position.side, stop):
                self._leave(position, "stop_loss", now)

    def _watch(self, position: Position, tick: int | None) -> None:
        if tick == position.watch:
            return
        position.watch = tick
        self._rewatch([position])

    def _rewatch(self, changed: Iterable[Position]) -> None:
        for position in changed:
            if position.watch is None:
                self._watching.pop(position.id, None)
                self._by_index.pop(position.index, None)
            else:
                self._watching[position.id] = position.slot, position.side, position.watch, position.index
                self._by_index[position.index] = position
        # In the order of their ids, so that positions watched for the same row act in the same order on every run.
        self._floor.venue.watch(self._watching[key] for key in sorted(self._watching))

    def restore(self) -> None:
        """Watch again what was watched, after the floor was restored."""
        self._watching, self._by_index = {}, {}
        self._rewatch(self._floor.positions.values())
