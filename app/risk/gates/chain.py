"""The order in which an entry meets the gates: the first refusal is the one reported."""

from typing import Final

from app.risk.gates.base import Gate, Limits
from app.risk.gates.daily_loss_cap import DailyLossCapGate
from app.risk.gates.duplicate import DuplicateGate
from app.risk.gates.loss_streak import LossStreakGate
from app.risk.gates.max_positions import MaxPositionsGate
from app.risk.gates.mode import ModeGate
from app.risk.gates.strategy import StrategyGate
from app.risk.gates.threshold import ThresholdGate
from app.risk.gates.warmup import WarmupGate

# What stops everything comes before what stops one signal, so that a halt shows as one.
CHAIN: Final[tuple[type[Gate], ...]] = (
    ModeGate,
    StrategyGate,
    DuplicateGate,
    WarmupGate,
    DailyLossCapGate,
    LossStreakGate,
    ThresholdGate,
    MaxPositionsGate,
)

REASONS: Final = tuple(reason for gate in CHAIN for reason in gate.reasons)


def build_gates(limits: Limits) -> dict[str, Gate]:
    """A fresh set of gates, in order, by class name."""
    return {gate.__name__: gate(limits) for gate in CHAIN}
