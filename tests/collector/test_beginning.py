"""Where a run goes on, for every combination of what the archive and the stream have."""

import pytest

from app.collector.beginning import Beginning, begin, check_time
from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.store.spool import Recovered

KEPT = Recovered(count=100, bytes_lost=0, last_ts_recv=5_000, recording="main-1-0")


@pytest.mark.parametrize(
    ("recovered", "newest", "expected"),
    [
        (Recovered(), None, Beginning(0, 0, 0, new_recording=True)),
        (None, None, Beginning(0, 0, 0, new_recording=True)),
        (KEPT, None, Beginning(100, 100, 0, new_recording=True)),
        (KEPT, 100, Beginning(100, 100, 5_001, new_recording=False)),
        (KEPT, 60, Beginning(100, 60, 5_001, new_recording=False)),
        (KEPT, 130, Beginning(130, 130, 0, new_recording=True, archive_lost=30)),
        (Recovered(), 130, Beginning(130, 130, 0, new_recording=True, archive_lost=130)),
        (None, 130, Beginning(130, 130, 0, new_recording=True)),
    ],
    ids=["first", "first, no archive", "new stream", "both", "rest to publish", "lost", "all lost", "no archive"],
)
def test_beginning(recovered: Recovered | None, newest: int | None, expected: Beginning) -> None:
    assert begin(recovered, newest) == expected


def test_a_stream_from_the_future_is_refused_at_the_start() -> None:
    check_time(1_000 * NS_PER_S, 990 * NS_PER_S, "md:{main}")
    with pytest.raises(Misconfigured, match=r"stream md:\{main\} ends 100 s in the future of this machine's clock"):
        check_time(1_000 * NS_PER_S, 900 * NS_PER_S, "md:{main}")
