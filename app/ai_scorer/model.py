"""A bundle's model, ready to run."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from app.core.errors import Misconfigured
from app.features import catalogue
from app.registry.bundle import Bundle, Card

PARITY_TOLERANCE: Final = 1e-5

_FIRST_ROWS: Final = 64


class ParityFailed(Misconfigured):
    """The exported model does not compute what the trained one did."""


class Model:
    """Scores rows of oriented features: one thread, no memory arena, one input buffer.

    A row's score does not depend on the rows it is batched with.

    Raises:
        Misconfigured: the bundle was made for another feature catalogue, or ONNX Runtime cannot use it.
        ParityFailed: its golden inputs get other scores than the card says, by more than `PARITY_TOLERANCE`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.card = bundle.card
        _check_catalogue(self.card)
        self._input = np.empty((_FIRST_ROWS, catalogue.COUNT), np.float32)
        self._feed = self.card.input
        self._wanted = [self.card.output]
        try:
            self._session = _session(bundle.model)
            worst = self._worst_golden_error()
        except Exception as error:  # ONNX Runtime's errors have no common base
            text = " ".join(str(error).split())
            raise Misconfigured(
                f"model {self.id!r}: ONNX Runtime cannot use it ({text}); export it again or promote another model"
            ) from error
        if not worst <= PARITY_TOLERANCE:
            raise ParityFailed(
                f"model {self.id!r}: its golden inputs score differently than when it was trained, by up to "
                f"{worst:.2g} (allowed {PARITY_TOLERANCE:g}); export it again or promote another model"
            )

    @property
    def id(self) -> str:
        return self.card.id

    def score(self, oriented: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Probabilities (n,) of the rows `oriented` (n, features)."""
        rows = len(oriented)
        if rows > len(self._input):
            self._input = np.empty((2 * rows, catalogue.COUNT), np.float32)
        batch = self._input[:rows]
        batch[:] = oriented
        scores: npt.NDArray[np.float32] = self._session.run(self._wanted, {self._feed: batch})[0][:, -1]
        if len(scores) != rows:
            raise ValueError(f"model {self.id!r} gave {len(scores)} scores for {rows} rows")
        return scores

    def _worst_golden_error(self) -> float:
        golden = self.card.golden
        inputs = np.array(golden.inputs, np.float64)
        # One by one as well: a batch must not change a row.
        found = [self.score(inputs), *(self.score(row[np.newaxis]) for row in inputs)]
        return float(np.abs(np.concatenate(found) - np.tile(golden.scores, 2)).max())


@dataclass(frozen=True, slots=True)
class Arm:
    """A model and the thresholds it is judged by."""

    model: Model
    tau_entry: float
    tau_hold: float


def _check_catalogue(card: Card) -> None:
    if card.schema_hash != catalogue.SCHEMA or card.features != list(catalogue.NAMES):
        raise Misconfigured(
            f"model {card.id!r} was trained under feature schema {card.schema_hash!r}, this program has "
            f"{catalogue.SCHEMA!r}; train one with scripts/train_baseline.py, or promote one that was made for it"
        )


def _session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors; they are raised and explained, so its own text on stderr is noise
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
