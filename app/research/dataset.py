"""Samples of a recording: features by the live kernel, and what the mid did afterwards."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_MS
from app.core.errors import SchemaMismatch
from app.core.strategy import TriggerSettings
from app.features import catalogue
from app.features.engine import FeatureEngine, Watch
from app.features.layout import O_ASK, O_BID, O_INDEX, O_SIDE, O_TS
from app.market.instruments import Instrument
from app.market.rows import Rows
from app.research.labels import F64, I64, Flags, forward_move, pays

_CANDIDATES, _MESSAGES = 0, 1
_BOOK_TICKS = 65_536


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is sampled and how it is labelled.

    Candidates are where `trigger` fires. They are few, so the model also learns from background samples: the first
    message with all features ready in every `background_ms`, seen from both sides. A sample is positive if
    `horizon_ms` later the mid has moved its way by half the spread and `margin_bps`.
    """

    trigger: TriggerSettings
    horizon_ms: int = 1000
    margin_bps: float = 0.0
    background_ms: int = 100


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples in time order, (n,) each. `features` (n, COUNT) are oriented by `side`, at the model's precision.

    `schema` is the hash of the catalogue that `features` were made under.
    """

    ts: I64
    side: I64
    features: npt.NDArray[np.float32]
    label: Flags
    candidate: Flags
    schema: str

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, chosen: Flags | I64) -> "Samples":
        """The samples at the places, or with the flags, `chosen`."""
        return Samples(
            self.ts[chosen],
            self.side[chosen],
            self.features[chosen],
            self.label[chosen],
            self.candidate[chosen],
            self.schema,
        )

    def check_schema(self) -> None:
        """Refuse features of another catalogue than this program's, whose columns mean something else.

        Raises:
            SchemaMismatch: naming both, and the remedy.
        """
        if self.schema != catalogue.SCHEMA:
            raise SchemaMismatch(
                f"these samples were made under feature schema {self.schema!r}, this program has "
                f"{catalogue.SCHEMA!r}; sample the recordings again"
            )

    def between(self, start: int, stop: int) -> "Samples":
        """The samples with start ≤ ts < stop (ns)."""
        return self.take((self.ts >= start) & (self.ts < stop))


def join(parts: list[Samples]) -> Samples:
    """The samples of `parts`, in time order; at equal times in the order of the parts.

    Raises:
        SchemaMismatch: they were made under several feature schemas.
    """
    schemas = sorted({part.schema for part in parts})
    if len(schemas) > 1:
        raise SchemaMismatch(
            f"samples of feature schemas {', '.join(schemas)} cannot be joined; sample all recordings again under one"
        )
    joined = Samples(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.side for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.candidate for part in parts]),
        schemas[0],
    )
    return joined.take(np.argsort(joined.ts, kind="stable"))


def sample(rows: Rows, instrument: Instrument, recipe: Recipe) -> Samples:
    """All samples of `instrument` in `rows` whose outcome the rows still show."""
    found, features = _evaluate(rows, instrument, recipe.trigger)
    messages = found[:, O_INDEX] == _MESSAGES
    moves = forward_move(
        found[messages, O_TS], _mid(found[messages]), found[:, O_TS], horizon_ns=recipe.horizon_ms * NS_PER_MS
    )
    usable = np.isfinite(features).all(axis=1) & np.isfinite(moves)
    fired = ~messages & usable
    background = _first_of_each(found[:, O_TS] // (recipe.background_ms * NS_PER_MS), messages & usable)
    every = np.ones(int(background.sum()), np.int64)
    return join(
        [
            _labelled(found[fired], features[fired], moves[fired], found[fired, O_SIDE], True, recipe),
            _labelled(found[background], features[background], moves[background], every, False, recipe),
            _labelled(found[background], features[background], moves[background], -every, False, recipe),
        ]
    )


def _evaluate(rows: Rows, instrument: Instrument, trigger: TriggerSettings) -> tuple[I64, F64]:
    watches = (
        Watch("candidates", instrument.id, trigger.side_feature, trigger.conditions, trigger.cooldown_ms * NS_PER_MS),
        Watch("messages", instrument.id),
    )
    found, features = FeatureEngine((instrument,), watches, book_ticks=_BOOK_TICKS).table(rows)
    # A one-sided book has no mid; a two-sided one always has a spread.
    two_sided = ~np.isnan(features[:, catalogue.index_of("spread_ticks")])
    return found[two_sided], features[two_sided]


def _labelled(found: I64, features: F64, moves: F64, side: I64, candidate: bool, recipe: Recipe) -> Samples:
    spread = (found[:, O_ASK] - found[:, O_BID]).astype(np.float64)
    label = pays(moves, side, spread, margin=recipe.margin_bps * 1e-4 * _mid(found))
    oriented = catalogue.oriented(features, side).astype(np.float32)
    return Samples(found[:, O_TS], side, oriented, label, np.full(len(found), candidate), catalogue.SCHEMA)


def _mid(found: I64) -> F64:
    """In ticks."""
    return np.asarray((found[:, O_BID] + found[:, O_ASK]) / 2)


def _first_of_each(bucket: I64, allowed: Flags) -> Flags:
    """True for the first allowed place of each bucket."""
    places = np.flatnonzero(allowed)
    _, first = np.unique(bucket[places], return_index=True)
    chosen = np.zeros(len(bucket), np.bool_)
    chosen[places[first]] = True
    return chosen
