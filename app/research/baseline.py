"""The baseline: from recordings to a bundle, thresholds and an honest card."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import onnxmltools

from app.core.clock import NS_PER_MS, NS_PER_S
from app.features import catalogue
from app.market.instruments import Instrument
from app.registry.bundle import Bundle, Card, Figure, Golden
from app.registry.data import Thresholds
from app.research import evaluation, train
from app.research.dataset import Recipe, Samples, sample
from app.research.labels import F64
from app.research.recordings import Recording
from app.research.split import Split, split

TRAIN_SHARE: Final = 0.4
TUNE_SHARE: Final = 0.25
#: The slowest sums forget two thirds of what they saw in this time.
MEMORY_NS: Final = catalogue.SLOWEST_NS
#: Share of candidates that should pass `tau_entry`, and of all moments, from either side, that should pass `tau_hold`.
ENTRY_SHARE: Final = 0.4
HOLD_SHARE: Final = 0.8
_BLOCK_NS: Final = 5 * NS_PER_S
_GOLDEN_ROWS: Final = 8


def make_baseline(
    recordings: Sequence[Recording], instrument: Instrument, recipe: Recipe, *, created_at: datetime, seed: int
) -> Bundle:
    """Sample, train, export, tune and measure; equal arguments give an equal bundle.

    Raises:
        Misconfigured: the recordings are too short, or the export does not compute what was trained.
    """
    samples = [sample(recording.rows, instrument, recipe) for recording in recordings]
    embargo = MEMORY_NS + recipe.horizon_ms * NS_PER_MS
    parts = split(samples, train_share=TRAIN_SHARE, tune_share=TUNE_SHARE, embargo_ns=embargo)
    booster = train.fit(parts.train, seed=seed)
    everything = np.concatenate([part.features for part in parts])
    model = train.export(booster, everything)
    thresholds = tune(booster, parts.tune)
    card = Card(
        id=f"baseline-{hashlib.sha256(model + parts.train.schema.encode()).hexdigest()[:8]}",
        created_at=created_at,
        schema_hash=parts.train.schema,
        features=list(catalogue.NAMES),
        thresholds=thresholds,
        description=(
            f"LightGBM, {train.TREES} trees of depth {train.PARAMETERS['max_depth']}: probability that the mid will "
            f"have moved the trade's way by more than half the spread + {recipe.margin_bps:g} bps in "
            f"{recipe.horizon_ms} ms"
        ),
        training=_training(recordings, samples, parts, recipe, embargo, seed),
        metrics=measure(booster, parts, thresholds, seed=seed),
        limits=_limits(parts),
        golden=_golden(booster, everything),
        input=train.INPUT,
        output=train.OUTPUT,
    )
    return Bundle(card, model)


def tune(booster: lightgbm.Booster, samples: Samples) -> Thresholds:
    """Thresholds that let `ENTRY_SHARE` of candidates enter and `HOLD_SHARE` of all moments be held.

    Raises:
        SchemaMismatch: the samples are of another feature catalogue.
    """
    samples.check_schema()
    score = train.predict(booster, samples.features)
    return Thresholds(
        tau_entry=round(float(np.quantile(score[samples.candidate], 1 - ENTRY_SHARE)), 4),
        tau_hold=round(float(np.quantile(score[~samples.candidate], 1 - HOLD_SHARE)), 4),
    )


def measure(booster: lightgbm.Booster, parts: Split, thresholds: Thresholds, *, seed: int) -> dict[str, Figure]:
    """What the test set says, of candidates and of background samples, with 95 % intervals by blocks of 5 s.

    Raises:
        SchemaMismatch: the test set is of another feature catalogue.
    """
    parts.test.check_schema()
    tau = thresholds.tau_entry
    measures: dict[str, evaluation.Measure] = {
        "base_rate": evaluation.base_rate,
        "pr_auc": evaluation.pr_auc,
        "brier": evaluation.brier,
        "precision_at_tau_entry": evaluation.precision_at(tau),
        "share_at_tau_entry": evaluation.share_at(tau),
    }
    figures: dict[str, Figure] = {}
    for name, chosen in (("candidates", parts.test.candidate), ("background", ~parts.test.candidate)):
        samples = parts.test.take(chosen)
        score = train.predict(booster, samples.features)
        figures[f"{name}_n"] = Figure(value=float(len(samples)))
        for key, one in measures.items():
            low, high = evaluation.interval(one, score, samples.label, samples.ts, block_ns=_BLOCK_NS, seed=seed)
            figures[f"{name}_{key}"] = _figure(one(score, samples.label), low, high)
        rate = float(samples.label.mean())
        figures[f"{name}_brier_of_base_rate"] = _figure(rate * (1 - rate))
    return figures


def _figure(value: float, low: float | None = None, high: float | None = None) -> Figure:
    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 4)

    return Figure(value=round(value, 4), low=rounded(low), high=rounded(high))


def _training(
    recordings: Sequence[Recording], samples: Sequence[Samples], parts: Split, recipe: Recipe, embargo: int, seed: int
) -> dict[str, Any]:
    return {
        "recordings": [
            {
                "files": recording.files,
                "rows": len(recording.rows),
                "from_ns": int(recording.rows["ts_recv"][0]),
                "to_ns": int(recording.rows["ts_recv"][-1]),
                "samples": len(found),
                "candidates": int(found.candidate.sum()),
            }
            for recording, found in zip(recordings, samples, strict=True)
        ],
        "recipe": {**asdict(recipe), "trigger": recipe.trigger.model_dump(mode="json")},
        "split": {
            "embargo_s": embargo / NS_PER_S,
            **{
                name: {
                    "from_ns": int(part.ts[0]),
                    "to_ns": int(part.ts[-1]),
                    "samples": len(part),
                    "candidates": int(part.candidate.sum()),
                }
                for name, part in parts._asdict().items()
            },
        },
        "parameters": {**train.PARAMETERS, "trees": train.TREES, "seed": seed},
        "made_with": {"lightgbm": lightgbm.__version__, "onnxmltools": onnxmltools.__version__},
    }


def _golden(booster: lightgbm.Booster, features: npt.NDArray[np.float32]) -> Golden:
    """Some rows, shortened to six digits so that a person can read them, and the trained model's scores of those."""
    places = np.linspace(0, len(features) - 1, _GOLDEN_ROWS).round().astype(int)
    rows = [[float(f"{value:.6g}") for value in row] for row in features[places].tolist()]
    scores: F64 = train.predict(booster, np.array(rows, np.float32))
    return Golden(inputs=rows, scores=scores.tolist())


def _limits(parts: Split) -> list[str]:
    first, last = (datetime.fromtimestamp(int(ts) // NS_PER_S, UTC) for ts in parts.test.ts[[0, -1]])
    seconds, rate = (last - first).total_seconds(), parts.train.label.mean()
    return [
        f"The test is {seconds:.0f} seconds, from {first:%Y-%m-%d %H:%M:%S} UTC. Samples within seconds of each other "
        "share most of their outcome, so it holds dozens of independent observations, not thousands; the intervals "
        "say how little that is, and they speak of those seconds only.",
        "There are thirteen minutes of recordings in all, of one instrument, on either side of midnight UTC. Nothing "
        "here says how the model does at another hour, in another month, or in a market that moves.",
        f"Of the training samples {rate:.0%} are positive, of the test's {parts.test.label.mean():.0%}: the market had "
        "become livelier. The scores rank moments better than they state probabilities, and the thresholds are "
        "shares of moments, not odds.",
        "The label and the size of the trees were chosen by cross-validation on the training set. Other settings were "
        "also seen on the test set before, so its figures are a little kinder than a first look would be.",
        "The recordings are of Binance USD-M. Another venue's book has other sizes, levels, message rates and fees, "
        "and features in units of base quantity carry over least.",
        f"Left out, since minutes cannot teach them: {', '.join(train.LEFT_OUT)}. The scores do not depend on those.",
        "The label is a move of the mid. Whether a passive order would have been filled is not in it, and fills come "
        "more easily when the price is about to move against them.",
        "Fees are not in it either, and a round trip costs several basis points, more than a typical move over the "
        "horizon. This model exists so that the pipeline has something to score with. It is not shown to earn money.",
    ]
