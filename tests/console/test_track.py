import math

from app.console.scrape import Scrape
from app.console.track import Track


def scrape(received: float, *, started: float = 1.0, cpu: float = 0.0, fast: float = 0.0, slow: float = 0.0) -> Scrape:
    ages = {"md": {0.001: fast, 0.1: fast + slow, math.inf: fast + slow}}
    return Scrape(ready=True, started=started, received=received, cpu_s=cpu, ages=ages, rss_bytes=5)


def test_counters_go_on_over_a_restart() -> None:
    track = Track("risk")
    track.take(0, scrape(100, cpu=2, fast=10))
    track.take(1, None, restarts=1)
    last = track.take(2, scrape(7, started=2.0, cpu=0.5, slow=1), restarts=1)
    assert (last.received, last.cpu_s, last.restarts) == (107, 2.5, 1)
    assert last.ages_s["*"][0] == 11
    assert last.ages_s["md"] == last.ages_s["*"]


def test_a_process_that_does_not_answer_is_down_but_keeps_its_totals() -> None:
    track = Track("risk")
    track.take(0, scrape(100))
    down = track.take(1, None)
    assert (down.up, down.ready, down.rss_bytes, down.received) == (False, False, 0, 100)


def test_rates_and_ages_are_of_the_last_ten_samples() -> None:
    track = Track("risk")
    for second in range(30):
        # The first half is slow, the second fast: only the fast half may show.
        last = track.take(
            second, scrape(50 * second, cpu=0.25 * second, fast=max(0, second - 15), slow=min(second, 15))
        )
    assert track.rate == 50
    assert track.cpu_share == 0.25
    assert last.age_p99_s is not None
    assert last.age_p99_s <= 0.001
    assert last.ages_s["*"][2] > 0.01


def test_before_two_samples_there_is_no_rate_and_without_messages_no_age() -> None:
    track = Track("collector")
    sample = track.take(0, Scrape(ready=True, started=1.0))
    assert track.rate == 0
    assert (sample.age_p50_s, sample.ages_s) == (None, {})
