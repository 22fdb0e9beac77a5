from pathlib import Path

import pytest

from app.core.errors import BadInput
from app.report.samples import Sample, read_samples, sample_line, summarise


def sample(t: float, rss: int, **more: object) -> Sample:
    return Sample(t=t, service="risk", up=True, rss_bytes=rss, **more)  # type: ignore[arg-type]


def test_samples_come_back_by_service_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    one, two = sample(0, 1, lag={"a": 2}, ages_s={"*": (3, 0.1, 0.2)}), Sample(t=1, service="executor", up=False)
    path.write_bytes(sample_line(one) + sample_line(two) + b'{"t": 3')
    assert read_samples(path) == {"risk": [one], "executor": [two]}
    path.write_bytes(b"{}\n")
    with pytest.raises(BadInput, match=r"samples\.jsonl, line 1: .*missing required field"):
        read_samples(path)


def test_memory_is_given_at_a_tenth_and_at_the_end_of_the_time_it_was_up() -> None:
    series = [sample(t, 1000 + t) for t in range(101)]
    series.append(Sample(t=101, service="risk", up=False))
    summary = summarise(series)
    assert summary is not None
    assert summary.rss_bytes_at == {"10%": 1010, "100%": 1100}
    assert (summary.rss_bytes, summary.rss_bytes_max) == (1100, 1100)


def test_totals_come_from_the_last_sample_and_lag_from_the_worst() -> None:
    ages = {"*": (10, 0.002, 0.03), "sig:raw:{main}": (10, 0.002, 0.03)}
    summary = summarise(
        [
            sample(0, 1, cpu_s=1.0, lag={"a": 7, "b": 1}),
            sample(10, 1, cpu_s=3.0, received=5, restarts=1, ages_s=ages),
        ]
    )
    assert summary is not None
    assert (summary.lag_max, summary.lag_last, summary.received, summary.restarts) == (8, 0, 5, 1)
    assert summary.cpu_share == pytest.approx(0.2)
    assert (summary.age_p50_ms, summary.age_p99_ms) == (pytest.approx(2.0), pytest.approx(30.0))
    assert set(summary.age_by_stream) == {"sig:raw:{main}"}


def test_a_process_never_seen_up_has_no_summary_and_one_without_messages_no_ages() -> None:
    assert summarise([Sample(t=0, service="risk", up=False)]) is None
    summary = summarise([sample(0, 1)])
    assert summary is not None
    assert summary.age_p50_ms is None
