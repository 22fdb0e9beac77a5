"""A small gradient-boosted model, and its export to ONNX."""

from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

from app.core.errors import Misconfigured
from app.features import catalogue
from app.research.dataset import Samples
from app.research.labels import F64

#: Shallow and few on purpose: there are minutes of data, not months.
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "max_depth": 3,
    "num_leaves": 8,
    "min_data_in_leaf": 400,
    "lambda_l2": 5.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
TREES: Final = 30
#: Minutes from one hour of two days cannot teach these; a split on one would tell the recordings apart, no more.
LEFT_OUT: Final = ("basis", "mark_known", "funding", "day_sin", "day_cos")
PARITY: Final = 1e-5

INPUT: Final = "features"
OUTPUT: Final = "probabilities"
_OPSET: Final = 15


def fit(samples: Samples, *, seed: int) -> lightgbm.Booster:
    """Train on `samples`; equal samples and seed give an equal model.

    No tree splits on a feature `LEFT_OUT`. Thresholds are rounded down to 32-bit numbers, as ONNX holds them: of 32-bit
    features, the same ones are at or below them as before.

    Raises:
        SchemaMismatch: the samples are of another feature catalogue.
    """
    samples.check_schema()
    features = samples.features.astype(np.float64)
    features[:, [catalogue.index_of(name) for name in LEFT_OUT]] = 0.0
    data = lightgbm.Dataset(features, label=samples.label.astype(np.float64))
    booster = lightgbm.train({**PARAMETERS, "seed": seed}, data, num_boost_round=TREES)
    return lightgbm.Booster(model_str=_rounded_down(booster.model_to_string()))


def _rounded_down(model: str) -> str:
    lines = model.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), np.float64)
            near = exact.astype(np.float32)
            down = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
            lines[i] = "threshold=" + " ".join(repr(value) for value in down.astype(np.float64).tolist())
        elif line.startswith("tree_sizes="):
            lines[i] = ""  # lengths in bytes, which may have changed; without them the trees are read one by one
    return "\n".join(lines)


def predict(booster: lightgbm.Booster, features: npt.NDArray[np.float32]) -> F64:
    """Probabilities (n,) of oriented features (n, COUNT)."""
    return np.asarray(booster.predict(features.astype(np.float64)), np.float64)


def export(booster: lightgbm.Booster, features: npt.NDArray[np.float32]) -> bytes:
    """`booster` as ONNX, after checking that both score every row of `features` the same.

    Sums of leaves are 32-bit numbers in ONNX, so the last digits differ.

    Raises:
        Misconfigured: some row's scores differ by more than `PARITY`.
    """
    made = onnxmltools.convert_lightgbm(
        booster,
        name="scorer",  # the default is a random one
        initial_types=[(INPUT, FloatTensorType([None, features.shape[1]]))],
        zipmap=False,
        target_opset=_OPSET,
    )
    # The converter lists them in the order of a hash table, which differs from process to process.
    opsets = sorted(made.opset_import, key=lambda opset: opset.domain)
    del made.opset_import[:]
    made.opset_import.extend(opsets)
    model = bytes(made.SerializeToString())
    worst = float(np.abs(run(model, features) - predict(booster, features)).max())
    if not worst <= PARITY:
        raise Misconfigured(
            f"the ONNX export scores some row differently by {worst:.2g} (allowed {PARITY:g}); "
            "train with other parameters"
        )
    return model


def run(model: bytes, features: npt.NDArray[np.float32]) -> F64:
    """Probabilities (n,) by the ONNX `model`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: features})[0][:, -1], np.float64)
