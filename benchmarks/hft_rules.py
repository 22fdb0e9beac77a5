"""Where hftbacktest's exchange does otherwise than our paper venue, rule by rule.

Each has a name and a reason. `hft_venue` knows how an order fares under any set of them: none is our venue, all is
hftbacktest's. So that a difference can be traced: the rules that an order needs to fare as it did there are its
explanation, and a result that no set of them gives has none.
"""

from enum import IntFlag
from typing import Final


class Rule(IntFlag):
    """What hftbacktest does otherwise than we do."""

    TRADE_COUNTED_TWICE = 1
    FRACTION_ROUNDED = 2
    TRADED_COUNTS_AS_BEHIND = 4
    NO_FILL_THROUGH_OWN_SIDE = 8
    EARLIER_TRADE_FILLS = 16
    UNSEEN_LEVEL = 32
    CROSSED_WITHIN_MESSAGE = 64
    CROSSED_LEVELS_STAY = 128
    TAKEN_COMES_BACK = 256
    WHOLE_ORDER_AT_ONCE = 512
    QUEUE_BELOW_ZERO = 1024


NO_RULE: Final = Rule(0)
ALL_RULES: Final = Rule(sum(Rule))

REASONS: Final = {
    Rule.TRADE_COUNTED_TWICE: "the level's update that contains a trade comes before the trade at the same venue time; "
    "hftbacktest takes the trade off the queue once more, we redo the update with the trade before it",
    Rule.FRACTION_ROUNDED: "the queue model leaves a fraction of a lot; hftbacktest rounds it to the nearest, "
    "we fill whole lots only",
    Rule.TRADED_COUNTS_AS_BEHIND: "when a level shrinks after trades, hftbacktest takes what traded for lots behind "
    "us, so less of the cancellation is ahead; we take it out first",
    Rule.NO_FILL_THROUGH_OWN_SIDE: "a trade beyond our price whose aggressor is on our side; hftbacktest looks at the "
    "other aggressor only, we take any trade beyond our price for a sign that ours was reached",
    Rule.EARLIER_TRADE_FILLS: "a trade that happened before the order arrived, but was told so late that it is handled "
    "after it; hftbacktest lets it fill the order, we do not",
    Rule.UNSEEN_LEVEL: "the order's level left the visible book or was not in a snapshot; hftbacktest takes what it "
    "cannot see for empty or unchanged, we keep the place until the level is seen",
    Rule.CROSSED_WITHIN_MESSAGE: "the other side crosses within a venue message and no longer does when it ends; "
    "hftbacktest fills at the row, we look when the message is complete",
    Rule.CROSSED_LEVELS_STAY: "levels that a newer opposite level crossed: hftbacktest keeps their quantities, we "
    "delete them",
    Rule.TAKEN_COMES_BACK: "what a market order took is there again for the next one in hftbacktest; for us it is gone "
    "until the venue sends the level anew",
    Rule.QUEUE_BELOW_ZERO: "a cancellation takes more from ahead of us than there was; hftbacktest's queue goes below "
    "zero, and the next trade at the price fills us with lots that never traded; ours ends at zero",
    Rule.WHOLE_ORDER_AT_ONCE: "hftbacktest's exchange without partial fills fills the whole order when its turn has "
    "come, and all of a market order at the best price; we fill what traded, and what each level shows",
}  # fmt: skip
