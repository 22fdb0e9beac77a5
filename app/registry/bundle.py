"""A model bundle: `model.onnx` and its card, `model.json`. Both are data: nothing of it is executed or unpickled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from app.core.errors import Misconfigured
from app.registry.data import Instant, ModelId, Part, Probability, Thresholds, to_json
from app.registry.files import sha256, write_atomically

MODEL_FILE = "model.onnx"
CARD_FILE = "model.json"


class Figure(Part, frozen=True, kw_only=True):
    """A measured number, with the interval it was measured to where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


class Golden(Part, frozen=True, kw_only=True):
    """Oriented model inputs, and the scores the trained model (not its export) gave them."""

    inputs: list[list[float]]
    scores: list[Probability]


class Card(Part, frozen=True, kw_only=True):
    """What a model is, what it was made from, and what that does not prove.

    `schema_hash` is the hash of the feature catalogue the model was trained on, `features` its names in input
    order. The model takes `input` (float32, n × features, oriented by side) and gives `output`, whose last column
    is the probability.
    """

    id: ModelId
    created_at: Instant
    schema_hash: str
    features: Annotated[list[str], msgspec.Meta(min_length=1)]
    thresholds: Thresholds
    description: str
    training: dict[str, Any]
    metrics: dict[str, Figure]
    limits: Annotated[list[str], msgspec.Meta(min_length=1)]
    golden: Golden
    input: str = "features"
    output: str = "probabilities"

    def __post_init__(self) -> None:
        if len(self.golden.inputs) != len(self.golden.scores) or not self.golden.scores:
            raise ValueError("golden needs as many scores as inputs, and at least one")
        if any(len(row) != len(self.features) for row in self.golden.inputs):
            raise ValueError(f"every golden input needs {len(self.features)} values, one a feature")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A card with its model's bytes: those that were hashed are those that run."""

    card: Card
    model: bytes

    def files(self) -> dict[str, bytes]:
        """Content of the bundle's files, by name."""
        return {MODEL_FILE: self.model, CARD_FILE: to_json(self.card)}


_cards = msgspec.json.Decoder(Card)


def decode_card(payload: bytes, *, where: str) -> Card:
    """The card in `payload`.

    Raises:
        Misconfigured: not JSON, or a field is missing, unknown, or of the wrong type.
    """
    try:
        return _cards.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Misconfigured(f"model card {where} cannot be read: {error}; restore the file or retrain") from None


def read_bundle(directory: Path, hashes: Mapping[str, str]) -> Bundle:
    """The bundle in `directory`, if its files have the SHA-256 `hashes` of its manifest entry.

    Raises:
        Misconfigured: a file is missing, unlisted or changed, or the card cannot be read.
    """
    model, card = (_read_verified(directory / name, hashes.get(name)) for name in (MODEL_FILE, CARD_FILE))
    return Bundle(decode_card(card, where=str(directory / CARD_FILE)), model)


def write_bundle(directory: Path, bundle: Bundle) -> dict[str, str]:
    """Write the bundle's files and return their SHA-256 by name."""
    directory.mkdir(parents=True, exist_ok=True)
    files = bundle.files()
    for name, content in files.items():
        write_atomically(directory / name, content)
    return {name: sha256(content) for name, content in files.items()}


def _read_verified(path: Path, expected: str | None) -> bytes:
    if expected is None:
        raise Misconfigured(f"model file {path} has no hash in its manifest entry; register the bundle again")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"model file {path} cannot be read ({error.strerror}); restore it or promote another model"
        ) from None
    found = sha256(content)
    if found != expected:
        raise Misconfigured(
            f"model file {path} is not the registered one: expected SHA-256 {expected[:12]}…, found {found[:12]}…; "
            "restore it or promote another model"
        )
    return content
