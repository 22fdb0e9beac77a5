"""What each model says of one order, read off the messages in the plainest way."""

import math

from app.importers.lobster.l3 import CANCEL, DELETE, EXECUTION, L3
from app.sim.fills.truth import NEVER

POWERS = {"power_2": 2, "power_3": 3, "proportional": 1}


def share(model: str, ahead: float, behind: float) -> float:
    if model == "optimistic":
        return 1.0
    if ahead + behind == 0 or model not in (*POWERS, "log"):
        return 0.0
    if model == "log":
        return math.log(1 + ahead) / (math.log(1 + ahead) + math.log(1 + behind))
    return float(ahead ** POWERS[model] / (ahead ** POWERS[model] + behind ** POWERS[model]))


def shown(row: object, side: int, tick: int) -> int | None:
    """Lots at a price; None if it is outside the window."""
    name = "bid" if side > 0 else "ask"
    ticks, sizes = row[f"{name}_ticks"].tolist(), row[f"{name}_size"].tolist()  # type: ignore[index]
    if tick in ticks:
        return int(sizes[ticks.index(tick)])
    return 0 if ticks[-1] == -1 or (tick - ticks[-1]) * side > 0 else None


def crossed(row: object, side: int, tick: int) -> bool:
    other = int(row["ask_ticks" if side > 0 else "bid_ticks"][0])  # type: ignore[index]
    return other != -1 and (tick - other) * side >= 0


def fill_row(l3: L3, came: int, model: str) -> int:
    """Row at which `model` fills the order of message `came`, followed to the end of the data."""
    order, side, tick = (int(l3[name][came]) for name in ("order_id", "direction", "price_ticks"))
    left = int(l3["size"][came])
    level = (shown(l3[came], side, tick) or 0) - left
    ahead, dark = float(level), False
    for row in range(came + 1, len(l3)):
        message = l3[row]
        traded, kind = 0, int(message["type"])
        if kind == EXECUTION and message["direction"] == side:
            if (tick - message["price_ticks"]) * side > 0:
                return row
            if message["price_ticks"] == tick:
                traded = int(message["size"])
                if model == "touch" or (model != "trade_through" and int(traded - ahead) > 0):
                    return row
                ahead = max(0.0, ahead - traded)
        if message["order_id"] == order and kind in (CANCEL, DELETE, EXECUTION):
            left -= int(message["size"])
        now = shown(message, side, tick)
        if now is None:
            dark = True
        else:
            others = max(0, now - left)
            if not dark:
                rest = level - traded
                ahead = max(0.0, ahead - max(0, rest - others) * share(model, ahead, max(0.0, rest - ahead)))
            ahead, level, dark = min(ahead, float(others)), others, False
        if crossed(message, side, tick):
            return row
    return NEVER
