"""Tiny real ONNX models over the running catalogue, and signals for them."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.features import catalogue
from app.messages.signals import Signal
from app.registry.bundle import Bundle, Card, Golden
from app.registry.data import Thresholds

CREATED = datetime(2024, 8, 9, tzinfo=UTC)
WEIGHTS = np.linspace(-1, 1, catalogue.COUNT)
GOLDEN = np.random.default_rng(0).normal(size=(4, catalogue.COUNT)).round(3)


def logistic(rows: np.ndarray, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    """What `linear` computes, in double precision."""
    return 1 / (1 + np.exp(-(np.asarray(rows, float) @ weights)))


def model(nodes: list[onnx.NodeProto], weights: np.ndarray = WEIGHTS) -> bytes:
    """A model from `features` (n, COUNT) to `probabilities`, with `w` (COUNT, 1) at hand."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, catalogue.COUNT])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights.astype(np.float32).reshape(-1, 1), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(made.SerializeToString())


def linear(weights: np.ndarray = WEIGHTS) -> bytes:
    """sigmoid(features · w), one column."""
    return model(
        [helper.make_node("MatMul", ["features", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["probabilities"])],
        weights,
    )


def two_columns(weights: np.ndarray = WEIGHTS) -> bytes:
    """As `linear`, with the other class's probability before it."""
    return model(
        [
            helper.make_node("MatMul", ["features", "w"], ["z"]),
            helper.make_node("Sigmoid", ["z"], ["p"]),
            helper.make_node("Neg", ["z"], ["minus"]),
            helper.make_node("Sigmoid", ["minus"], ["q"]),
            helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
        ],
        weights,
    )


def unbounded(weights: np.ndarray = WEIGHTS) -> bytes:
    """features · w, which is no probability; NaN where it overflows both ways."""
    return model([helper.make_node("MatMul", ["features", "w"], ["probabilities"])], weights)


def bundle(
    content: bytes | None = None, name: str = "tiny", *, scores: Any = None, golden: np.ndarray = GOLDEN, **fields: Any
) -> Bundle:
    card = Card(
        id=name,
        created_at=CREATED,
        schema_hash=catalogue.SCHEMA,
        features=list(catalogue.NAMES),
        thresholds=Thresholds(tau_entry=0.6, tau_hold=0.3),
        description="a test's",
        training={},
        metrics={},
        limits=["proves nothing"],
        golden=Golden(
            inputs=golden.tolist(), scores=[float(s) for s in (logistic(golden) if scores is None else scores)]
        ),
    )
    return Bundle(msgspec.structs.replace(card, **fields), linear() if content is None else content)


def signal(
    values: Any = None, name: str = "s", *, side: int = 1, kind: Literal["entry", "hold"] = "entry", **fields: Any
) -> Signal:
    basic = Signal(
        ts=1_723_075_200_000_000_000,
        id=name,
        strategy="scalper",
        symbol="BTCUSDT",
        kind=kind,
        side=side,
        ts_event=1_723_075_199_999_000_000,
        bid=60_000.0,
        ask=60_000.1,
        features=[0.0] * catalogue.COUNT if values is None else [float(v) for v in values],
        schema=catalogue.SCHEMA,
        position_id="" if kind == "entry" else "p",
    )
    return msgspec.structs.replace(basic, **fields)
