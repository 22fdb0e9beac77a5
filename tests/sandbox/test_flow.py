"""What the exchange relies upon of any flow, put to every flow there is."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from app.market.rows import LAST, faults
from app.sandbox.flow import Flow, MergedFlow, ScriptedFlow
from app.sandbox.synthetic import SyntheticFlow
from app.sandbox.tape import TapeFlow
from tests.sandbox.builders import BTC, ETH, depth, snapshot, trade
from tests.sandbox.test_tape import archive, recorded

SCRIPT = [
    snapshot(0),
    snapshot(1, mid=300_000, instrument=ETH),
    trade(5, 1, 600_001, 7),
    depth(5, (1, 299_999, 4), (-1, 300_001, 0), instrument=ETH),
    depth(900, (1, 599_999, 0), (-1, 600_001, 4)),
]


@pytest.fixture(params=["scripted", "synthetic", "merged", "tape"])
def flow(request: pytest.FixtureRequest, tmp_path: Path) -> Flow:
    synthetic = [SyntheticFlow(instrument, 7) for instrument in (BTC, ETH)]
    match request.param:
        case "scripted":
            return ScriptedFlow(reversed(SCRIPT))
        case "synthetic":
            return synthetic[0]
        case "merged":
            return MergedFlow([*synthetic, ScriptedFlow(SCRIPT)])
        case _:
            return TapeFlow(archive(tmp_path, recorded(SCRIPT)), ["BTCUSDT", "ETHUSDT"])


def test_times_never_decrease_and_bound_their_rows(flow: Flow) -> None:
    found = list(islice(flow.messages(), 500))
    assert len(found) >= len(SCRIPT)
    whens = [one.when for one in found]
    assert whens == sorted(whens)
    assert all((one.rows["ts_event"] <= one.when).all() for one in found)


def test_messages_are_whole_and_of_one_instrument(flow: Flow) -> None:
    for _, rows in islice(flow.messages(), 500):
        assert np.flatnonzero(rows["flags"] & LAST).tolist() == [len(rows) - 1]
        assert len(np.unique(rows["instrument"])) == 1
        assert not faults(rows).any()


def test_playing_again_gives_the_same(flow: Flow) -> None:
    first, second = ([one.rows.tobytes() for one in islice(flow.messages(), 500)] for _ in range(2))
    assert first == second


def test_notes_are_figures(flow: Flow) -> None:
    list(islice(flow.messages(), 500))
    assert all(isinstance(figure, int) for figure in flow.notes().values())
