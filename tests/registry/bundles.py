"""A registry's worth of bundles, without a real model: the registry never looks inside `model.onnx`."""

from datetime import UTC, datetime

from app.registry.bundle import Bundle, Card, Figure, Golden
from app.registry.data import Thresholds

CREATED = datetime(2024, 8, 9, tzinfo=UTC)


def card(model_id: str = "first", *, schema_hash: str = "abc123", tau_entry: float = 0.6) -> Card:
    return Card(
        id=model_id,
        created_at=CREATED,
        schema_hash=schema_hash,
        features=["spread_ticks", "imbalance_5"],
        thresholds=Thresholds(tau_entry=tau_entry, tau_hold=0.3),
        description="two features",
        training={"recordings": ["none"]},
        metrics={"brier": Figure(value=0.2, low=0.1, high=0.3)},
        limits=["proves nothing"],
        golden=Golden(inputs=[[1.0, 0.5]], scores=[0.25]),
    )


def bundle(model_id: str = "first", *, model: bytes = b"\x08\x07 model", **fields: object) -> Bundle:
    return Bundle(card(model_id, **fields), model)  # type: ignore[arg-type]
