"""Scenarios: what is read, what is run, and what is made of it."""

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from app.console.run_config import load_config
from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.market.book import Book
from app.market.instruments import Instrument, read_instruments
from app.market.rows import VENUE_ONLY, Rows
from app.market.venue_messages import message_cut
from app.messages.execution import Fill, OrderUpdate
from app.replay import run
from app.replay.pieces import pieces
from app.replay.scenarios.campaign import Campaign, Outcome, run_campaign
from app.replay.scenarios.catalogue import CATALOGUE, LadderSettings, ScenarioSettings, read_catalogue
from app.replay.scenarios.figures import Figures
from app.replay.scenarios.mids import MidTrack
from app.replay.scenarios.report import Report, make_report
from app.replay.scenarios.statistics import METRICS, Difference, break_even, difference, distribution
from app.replay.scenarios.table import table
from app.replay.scenarios.work import Market, Work, configured, is_random, play, played
from app.replay.source import open_source
from app.settings import Settings, resolve
from app.sim.settings import BurstSettings, SpellSettings

Paper = tuple[Path, dict[str, Any]]

_NOTHING = ScenarioSettings(about="nothing")


@pytest.fixture(scope="session")
def archive(paper: Paper) -> Market:
    root = paper[0] / "archive"
    return Market(archive=root, venue=None, recording=None, span=open_source(root, symbols=["BTCUSDT"]).span)


@pytest.fixture(scope="session")
def instruments(settings: Settings) -> dict[str, Instrument]:
    known = read_instruments(resolve(settings.symbols_file))
    return {symbol: known[symbol] for symbol in settings.shard.symbols}


def work(settings: Settings, market: Market, scenario: ScenarioSettings, number: int = 0, *, seed: int = 1) -> Work:
    return Work(name="s", scenario=scenario, run=number, seed=seed, settings=settings, market=market)


def shocks(**values: object) -> ScenarioSettings:
    return ScenarioSettings.model_validate({"about": "x", "shock": {"every_s": 30, "lasts_ms": 3000, **values}})


def test_base_is_the_replay_itself(settings: Settings, archive: Market) -> None:
    plain = run(settings, archive.archive)
    assert plain.trades
    for number in range(2):
        assert play(work(settings, archive, _NOTHING, number)).digest == plain.digest
    again = play(work(settings, archive, ScenarioSettings(about="x", factor=1.0001)))
    assert again.digest != plain.digest


def test_every_scenario_of_the_catalogue_runs_and_its_books_balance(settings: Settings, archive: Market) -> None:
    catalogue = read_catalogue()
    base = play(work(settings, archive, catalogue.scenarios["base"]))
    digests = set()
    for name, scenario in catalogue.scenarios.items():
        found = play(work(settings, archive, scenario))
        assert found.books_balance, (name, found.differences)
        assert (found.late, found.dead_letters) == (0, {}), name
        assert found.trades > 0, name
        digests.add(found.digest)
        if name == "slow":
            assert found.digest != base.digest
    # Some may leave a run alone: no order met a refusal, nothing was held at a funding time.
    assert len(digests) > 0.7 * len(catalogue.scenarios)


def test_slower_orders_never_arrive_earlier(settings: Settings, archive: Market) -> None:
    def arrivals(scenario: ScenarioSettings) -> dict[str, int]:
        _, result = played(work(settings, archive, scenario))
        sent = {
            m.order_id: m.ts for m in result.gathered.money if isinstance(m, OrderUpdate) and m.status == "submitted"
        }
        there = {m.order_id: m.ts for m in reversed(result.gathered.money) if isinstance(m, OrderUpdate)
                 and m.status == "accepted"}  # fmt: skip
        return {order: there[order] - sent[order] for order in there}

    spikes = {"share": 0.3, "scale_ms": 20, "alpha": 1.5}
    fast = arrivals(ScenarioSettings(about="x", p99_over_median=5))
    slow = arrivals(
        ScenarioSettings.model_validate({"about": "x", "p99_over_median": 5, "factor": 3, "spikes": spikes})
    )
    shared = fast.keys() & slow.keys()
    assert len(shared) > 20
    delay = settings.executor.decision_ms * 1e6
    # Messages of a position keep their order, so what was drawn is a bound for all but the first of them.
    for order in shared:
        assert slow[order] >= fast[order]
        if "-entry-" in order:
            assert slow[order] - delay >= 3 * (fast[order] - delay) - 3


def test_what_cannot_be_seen_costs(settings: Settings, archive: Market) -> None:
    """In an outage no stop can be seen, and no signal comes."""
    plain = run(settings, archive.archive)
    _, cut_off = played(work(settings, archive, shocks(feed="lost", lasts_ms=29_000)))
    assert 0 < cut_off.tally.candidates < 0.4 * plain.tally.candidates
    assert cut_off.rows > plain.rows


def test_a_run_is_a_function_of_its_seed(settings: Settings, archive: Market) -> None:
    spiky = read_catalogue().scenarios["spiky"]
    first = play(work(settings, archive, spiky, 3))
    same = play(pickle.loads(pickle.dumps(work(settings, archive, spiky, 3))))
    assert msgspec.structs.replace(first, cpu_s=0.0) == msgspec.structs.replace(same, cpu_s=0.0)
    assert play(work(settings, archive, spiky, 4)).digest != first.digest
    assert play(work(settings, archive, spiky, 3, seed=2)).digest != first.digest


def test_runs_of_a_number_have_their_luck_in_common(settings: Settings, archive: Market) -> None:
    one, other = shocks(withdraw_bps=5), shocks(refused=0.5)
    numbers = [work(settings, archive, scenario, 7).run_seed for scenario in (one, other)]
    assert numbers[0] == numbers[1] != work(settings, archive, one, 8).run_seed

    def delays(factor: float) -> dict[str, int]:
        """Of entries, by signal: nothing is ahead of them on the line."""
        _, result = played(work(settings, archive, ScenarioSettings(about="x", p99_over_median=5, factor=factor), 7))
        updates = [m for m in result.gathered.money if isinstance(m, OrderUpdate) and m.leg == "entry"]
        sent = {m.order_id: m.ts for m in updates if m.status == "submitted"}
        delay = round(settings.executor.decision_ms * 1e6)
        return {m.order_id: m.ts - sent[m.order_id] - delay for m in updates if m.status == "accepted"}

    plain, twice = delays(1), delays(2)
    assert len(plain.keys() & twice.keys()) > 10
    assert all(twice[key] == pytest.approx(2 * plain[key], abs=2) for key in plain.keys() & twice.keys())
    assert len(set(plain.values())) > 10


def test_windows_are_parts_of_the_market_and_the_same_for_all(settings: Settings, archive: Market) -> None:
    short = replace(archive, window_s=60)
    parts = [short.part(work(settings, short, _NOTHING, number).run_seed) for number in range(50)]
    assert all(archive.span[0] <= p.span[0] and p.span[1] <= archive.span[1] for p in parts)
    assert {p.span[1] - p.span[0] for p in parts} == {60 * NS_PER_S}
    assert max(p.span[0] for p in parts) - min(p.span[0] for p in parts) > 30 * NS_PER_S
    found = play(work(settings, short, _NOTHING, 1))
    assert 0 < found.rows < run(settings, archive.archive).rows
    assert is_random(settings, _NOTHING, short)
    with pytest.raises(Misconfigured, match=r"a window of 1e\+06 s does not fit into 1\d\d[.\d]* s of market"):
        replace(archive, window_s=1e6).part(1)


def test_only_what_is_random_is_repeated(settings: Settings, archive: Market) -> None:
    assert not is_random(settings, _NOTHING, archive)
    assert not is_random(settings, ScenarioSettings.model_validate({"about": "x", "lag": {"median_ms": 5}}), archive)
    for values in (
        {"lag": {"median_ms": 5, "p99_over_median": 2}},
        {"p99_over_median": 2},
        {"spikes": {"share": 0.1, "scale_ms": 1, "alpha": 2}},
        {"bursts": {"every_s": 1, "lasts_s": 1, "factor": 2}},
        {"shock": {"every_s": 1, "lasts_ms": 1, "feed": "late"}},
    ):
        assert is_random(settings, ScenarioSettings.model_validate({"about": "x", **values}), archive)
    campaign = Campaign(
        settings=settings, market=archive, runs=3, seed=1,
        scenarios={"base": _NOTHING, "slow": ScenarioSettings(about="x", factor=2), "outage": shocks(feed="lost")},
        ladder=LadderSettings(one_way_ms=(1, 10), p99_over_median=1),
    )  # fmt: skip
    assert [(w.name, w.run) for w in campaign.works()] == [
        ("base", 0), ("slow", 0), ("outage", 0), ("ladder 1 ms", 0), ("ladder 10 ms", 0), ("outage", 1), ("outage", 2),
    ]  # fmt: skip


def test_settings_are_changed_as_the_scenario_says(settings: Settings, paper: Paper) -> None:
    scenario = ScenarioSettings.model_validate(
        {"about": "x", "factor": 3, "cancel_factor": 2, "decision_factor": 5, "p99_over_median": 7,
         "spikes": {"share": 0.1, "scale_ms": 1, "alpha": 2}, "bursts": {"every_s": 1, "lasts_s": 1, "factor": 2},
         "shock": {"every_s": 1, "lasts_ms": 10, "line": "down", "refused": 0.5, "slow_factor": 4}}
    )  # fmt: skip
    changed = configured(settings, scenario, [1000, 2000], seed=9).executor
    latency = changed.paper.latency
    assert (latency.model, latency.p99_over_median, latency.factor, latency.cancel_factor) == ("lognormal", 7, 3, 2)
    assert (latency.order_ms, latency.seed, latency.spikes, latency.bursts) == (
        settings.executor.paper.latency.order_ms, 9, scenario.spikes, scenario.bursts,
    )  # fmt: skip
    assert changed.decision_ms == 5 * settings.executor.decision_ms
    assert changed.paper.spells == tuple(
        SpellSettings(start=start, end=start + 10_000_000, factor=4, down=True, refused=0.5) for start in (1000, 2000)
    )
    rung = configured(settings, LadderSettings(one_way_ms=(1, 50)).scenario(50), [], seed=9).executor.paper.latency
    assert (rung.model, rung.order_ms, rung.response_ms, rung.p99_over_median) == ("lognormal", 50, 50, 1)
    own = load_config(paper[0], ["executor.paper.spells=[{start: 1, end: 2}]"])
    with pytest.raises(Misconfigured, match=r"has executor\.paper\.spells, and this scenario has its own"):
        configured(own, scenario, [1000], seed=9)
    assert configured(own, _NOTHING, [], seed=9).executor.paper.spells == own.executor.paper.spells


# What is read.


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_of_ones_own_is_laid_over_the_catalogue(tmp_path: Path) -> None:
    own = write(tmp_path / "own.yml", "scenarios:\n  slow: {factor: 9}\n  mine: {about: my own, cancel_factor: 3}\n")
    plain, catalogue = read_catalogue(), read_catalogue(own)
    assert catalogue.scenarios["slow"] == plain.scenarios["slow"].model_copy(update={"factor": 9})
    assert catalogue.scenarios["mine"].cancel_factor == 3
    assert list(catalogue.chosen(["mine", "slow"])) == ["base", "slow", "mine"]
    assert list(catalogue.chosen(["all"])) == [*plain.scenarios, "mine"]
    with pytest.raises(Misconfigured, match=r"scenario 'fast' is not known; known: base, slow, .*, mine, or all"):
        catalogue.chosen(["fast"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("scenarios: {slow: {facter: 2}}", r"scenarios\.slow\.facter: unknown key; did you mean 'factor'"),
        ("scenarios: {gap: {shock: {move_bps: -3}}}", r"scenarios\.gap\.shock\.move_bps: .* \(got -3\)"),
        ("scenarios: {new: {factor: 2}}", r"scenarios\.new\.about: Field required"),
        ("scenarios: {new: {about: x, shock: {every_s: 1, lasts_ms: 5}}}", "a shock in which nothing happens"),
        ("scenarios: {base: {factor: 2}}", "'base' is the configuration itself; all it may have is about"),
        ("scenarios: {Mine Own: {about: x}}", "'Mine Own' must be lower-case letters, digits and _, a letter first"),
        ("ladder: {one_way_ms: [5, 2]}", "the rungs must be above 0 and rise, got 5, 2"),
        ("ladder: {one_way_ms: [0, 2]}", "the rungs must be above 0 and rise, got 0, 2"),
        ("scenarios: {spiky: {spikes: {share: 7}}}", r"scenarios\.spiky\.spikes\.share: .*less than or equal to 1"),
        ("- a list", "must hold a mapping, found list"),
        ("scenarios: {slow: {factor: [}", "is not valid YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(Misconfigured, match=error):
        read_catalogue(write(tmp_path / "own.yml", text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.yml does not exist"):
        read_catalogue(tmp_path / "nowhere.yml")


def test_the_catalogue_has_enough_of_both_kinds() -> None:
    scenarios = read_catalogue().scenarios.values()
    assert sum(scenario.shock is None for scenario in scenarios) - 1 >= 4
    assert sum(scenario.shock is not None and scenario.shock.moves_market for scenario in scenarios) >= 4
    assert CATALOGUE.exists()


# What is measured.


def test_mids_are_those_of_the_book(market: Rows, instruments: dict[str, Instrument]) -> None:
    rows = market[:30_000].copy()
    # Some of it does not reach us.
    rows["flags"][message_cut(rows, 10_000) : message_cut(rows, 10_500)] |= VENUE_ONLY
    track = MidTrack(instruments, book_ticks=65_536)
    assert sum(map(len, track(pieces([rows], 700)))) == len(rows)
    seen = np.ascontiguousarray(rows[rows["flags"] & VENUE_ONLY == 0])
    assert track.at("BTCUSDT", int(rows["ts_recv"][0]) - 1) is None
    for at in np.random.default_rng(1).integers(0, len(rows), 200):
        ts = int(rows["ts_recv"][at])
        book = Book(instruments["BTCUSDT"])
        book.advance(seen[seen["ts_recv"] <= ts])
        best = book.best()
        mid = (best.bid + best.ask) / 2
        assert track.at("BTCUSDT", ts) == (pytest.approx(mid, abs=1e-6) if not math.isnan(mid) else None)


def test_exit_slippage_is_against_what_we_saw_when_we_sent(settings: Settings, archive: Market, market: Rows,
                                                          instruments: dict[str, Instrument]) -> None:  # fmt: skip
    found, result = played(work(settings, archive, _NOTHING))
    sent = {m.order_id: m.ts for m in result.gathered.money if isinstance(m, OrderUpdate) and m.status == "submitted"}
    paid = worth = 0.0
    exits = [m for m in result.gathered.money if isinstance(m, Fill) and m.leg == "exit"]
    for fill in exits:
        book = Book(instruments["BTCUSDT"])
        book.advance(np.ascontiguousarray(market[market["ts_recv"] <= sent[fill.order_id]]))
        mid = (book.best().bid + book.best().ask) / 2
        paid += fill.side * float(fill.qty) * (float(fill.px) - mid)
        worth += float(fill.qty) * mid
    assert exits
    assert found.exit_slippage_bps == pytest.approx(1e4 * paid / worth)
    assert found.pnl == pytest.approx(float(result.tally.equity or 0) - 10_000)
    assert found.max_drawdown >= max(0.0, -found.pnl)
    assert found.time_in_position_s > 0


def test_distributions_of_a_few_values() -> None:
    found = distribution([float(n) for n in range(1, 101)], "low")
    assert found is not None
    assert (found.n, found.mean, found.q50, found.shortfall_5) == (100, 50.5, 50.5, 3.0)
    assert (found.q05, found.q95) == (pytest.approx(5.95), pytest.approx(95.05))
    assert found.sd == pytest.approx(29.011, abs=1e-3)
    high = distribution([1.0, 2.0, 9.0], "high")
    assert high is not None
    assert high.shortfall_5 == 9.0
    alone = distribution([0.1], None)
    assert alone is not None
    assert (alone.sd, alone.shortfall_5, alone.q05, alone.q95) == (None, None, 0.1, 0.1)
    assert distribution([], "low") is None


def test_differences_are_of_pairs() -> None:
    rng = np.random.default_rng(5)
    luck = rng.normal(0, 100, 200)
    pairs = [(float(a), float(b)) for a, b in zip(luck - 1 + rng.normal(0, 0.5, 200), luck, strict=True)]
    found = difference(pairs, "low", seed=1, name="x")
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    # Far narrower than what either of the two varies by: that is what pairs are for.
    assert -1.15 < found.low < found.mean < found.high < -0.85
    assert found.share_worse == pytest.approx(0.975, abs=0.03)
    assert difference(pairs, "low", seed=1, name="x") == found
    assert difference(pairs, "low", seed=2, name="x") != found
    assert difference([(1.0, 2.0)], None, seed=1, name="x") == Difference(1, -1.0, None, None, None)
    assert difference([], "low", seed=1, name="x") is None


def test_the_interval_covers_what_it_says() -> None:
    rng, hits = np.random.default_rng(8), 0
    for trial in range(200):
        gaps = rng.exponential(1, 40) - 1
        found = difference([(float(gap), 0.0) for gap in gaps], "low", seed=trial, name="x")
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    # 95 % in the limit; the percentile bootstrap of 40 skewed values covers a little less.
    assert 174 <= hits <= 198


def test_a_break_even_is_told_only_where_it_is() -> None:
    crossing = break_even([(1, 4.0), (10, 1.0), (100, -1.0), (200, -3.0)])
    assert crossing.one_way_ms == pytest.approx(10**1.5)
    assert crossing.told == "median PnL crosses zero at about 31.6 ms each way"
    assert break_even([(1, -1.0), (10, -2.0)]).one_way_ms is None
    assert "a loss from 1 to 10 ms: none of these latencies saves it" in break_even([(1, -1.0), (10, -2.0)]).told
    assert "no loss from 1 to 10 ms" in break_even([(1, 1.0), (10, 0.0)]).told
    assert "rises from loss to profit" in break_even([(1, -1.0), (10, 2.0)]).told


# What is reported.


@pytest.fixture(scope="session")
def campaign(settings: Settings, archive: Market) -> Campaign:
    chosen = read_catalogue().chosen(["spiky", "outage", "slow", "gap"])
    return Campaign(settings=settings, market=archive, scenarios=chosen, runs=3, seed=5,
                    ladder=LadderSettings(one_way_ms=(1, 100), p99_over_median=2))  # fmt: skip


@pytest.fixture(scope="session")
def outcome(campaign: Campaign) -> Outcome:
    return run_campaign(campaign, jobs=1)


def as_bytes(report: Report) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(report, timing={}))


def test_a_report_has_everything_and_is_the_same_however_it_was_worked_out(
    campaign: Campaign, outcome: Outcome
) -> None:
    report = make_report(campaign, outcome, {"archive": "x"}, wall_s=1)
    assert report.complete
    assert (report.planned, report.done) == (17, 17)
    assert report.books == {"balance": True, "checked": 17, "failed": []}
    assert list(report.scenarios) == ["base", "slow", "spiky", "outage", "gap"]
    assert [(s.random, s.runs) for s in report.scenarios.values()] == [
        (False, 1),
        (False, 1),
        (True, 3),
        (True, 3),
        (True, 3),
    ]
    spiky = report.scenarios["spiky"]
    assert list(spiky.metrics) == list(METRICS)
    pnl = spiky.metrics["pnl"]
    assert pnl is not None
    assert pnl.n == 3
    gap = spiky.against_base["pnl"]
    base = report.scenarios["base"].pnl_by_run[0]
    assert gap is not None
    assert base is not None
    assert gap.mean == pytest.approx(pnl.mean - base)
    assert report.scenarios["base"].against_base == {}
    assert report.inputs["seed"] == 5
    assert report.ladder is not None
    assert report.ladder.break_even is not None
    assert [rung.runs for rung in report.ladder.rungs] == [3, 3]
    worst = spiky.worst[0]
    assert worst.pnl == min(p for p in spiky.pnl_by_run if p is not None)
    # By itself it is what it was in company.
    name, _, number = worst.only.partition(":")
    alone = play(campaign.work(name, campaign.scenarios[name], int(number)))
    assert (alone.pnl, alone.digest, alone.seed) == (worst.pnl, worst.digest, worst.seed)
    again = make_report(campaign, run_campaign(campaign, jobs=2), {"archive": "x"}, wall_s=99)
    assert as_bytes(again) == as_bytes(report)
    told = table(report)
    assert "spiky" in told
    assert "median PnL by latency each way: 1 ms" in told
    assert "not complete" not in told


def test_another_seed_is_another_report(campaign: Campaign, outcome: Outcome) -> None:
    other = Campaign(settings=campaign.settings, market=campaign.market, runs=3, seed=6, ladder=None,
                     scenarios={name: campaign.scenarios[name] for name in ("base", "spiky")})  # fmt: skip
    found = run_campaign(other, jobs=1)
    assert found.figures["base"][0].digest == outcome.figures["base"][0].digest
    own = {figures.digest for figures in found.figures["spiky"].values()}
    assert own.isdisjoint({figures.digest for figures in outcome.figures["spiky"].values()})


def test_an_end_before_the_end_has_what_is_done(campaign: Campaign) -> None:
    done: list[int] = []
    partial = run_campaign(
        campaign, jobs=1, stop=lambda: len(done) >= 6, on_progress=lambda n, _of, _name: done.append(n)
    )
    report = make_report(campaign, partial, {}, wall_s=1)
    assert not report.complete
    assert 6 <= report.done < report.planned == 17
    # Run 0 of each comes first.
    assert all(scenario.runs >= 1 for scenario in report.scenarios.values())
    assert report.scenarios["gap"].pnl_by_run[1:] == [None, None]
    assert "not complete: " in table(report)
    assert f"{report.scenarios['gap'].runs}/3" in table(report)


def test_what_fails_is_said_and_the_rest_goes_on(campaign: Campaign) -> None:
    broken = replace(campaign.market, venue="nowhere")
    found = run_campaign(Campaign(settings=campaign.settings, market=broken, runs=1, seed=1, ladder=None,
                                  scenarios={"base": _NOTHING}), jobs=1)  # fmt: skip
    report = make_report(campaign, found, {}, wall_s=1)
    assert not report.complete
    assert report.failures[0]["only"] == "base:0"
    assert "Misconfigured: archive" in report.failures[0]["error"]
    assert "failed base:0: Misconfigured: archive" in table(report)


def test_books_that_do_not_balance_are_never_passed_over(campaign: Campaign, outcome: Outcome) -> None:
    figures: Figures = outcome.figures["gap"][1]
    wrong = msgspec.structs.replace(figures, books_balance=False, differences=["cash of account a/b is 1, not 2"])
    changed = Outcome(outcome.planned, {**outcome.figures, "gap": {**outcome.figures["gap"], 1: wrong}}, {})
    report = make_report(campaign, changed, {}, wall_s=1)
    assert report.books["balance"] is False
    assert report.books["failed"] == [{"only": "gap:1", "differences": ["cash of account a/b is 1, not 2"]}]
    assert "the books of gap:1 do not balance: cash of account a/b is 1, not 2" in table(report)


def test_bursts_reach_the_feed_too(settings: Settings, archive: Market) -> None:
    bursts = BurstSettings(every_s=10, lasts_s=10, factor=50)
    lag = {"median_ms": 5}
    calm = play(work(settings, archive, ScenarioSettings.model_validate({"about": "x", "lag": lag})))
    rough = ScenarioSettings.model_validate({"about": "x", "lag": lag, "bursts": bursts.model_dump()})
    assert play(work(settings, archive, rough)).digest != calm.digest


def test_nothing_to_run_is_refused(campaign: Campaign) -> None:
    with pytest.raises(Misconfigured, match="--runs 0 must be 1 or more"):
        Campaign(settings=campaign.settings, market=campaign.market, scenarios=campaign.scenarios, ladder=None,
                 runs=0, seed=1).works()  # fmt: skip
    with pytest.raises(Misconfigured, match="a shock of 500 s does not fit into"):
        Campaign(settings=campaign.settings, market=campaign.market, ladder=None, runs=1, seed=1,
                 scenarios={"base": _NOTHING, "x": shocks(lasts_ms=500_000, feed="late")}).works()  # fmt: skip
