from contextlib import ExitStack
from pathlib import Path

import pytest

from app.console.options import UpOptions
from app.console.plan import make_plan
from app.settings import ROOT, load_settings

OVERLAYS = sorted(path.stem for path in (ROOT / "config" / "overlays").glob("*.yml"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_gives_a_valid_configuration_that_differs(name: str) -> None:
    assert load_settings(overlays=[name], assignments=[]) != load_settings(assignments=[])


def test_a_reproducible_run_needs_nothing_but_its_overlay(tmp_path: Path) -> None:
    with ExitStack() as held:
        plan = make_plan(UpOptions(overlays=["reproducible"], for_s=60), tmp_path, None, held)
    assert plan.event_clock
    assert (plan.settings.sandbox.speed, plan.settings.sandbox.time) == (0, "original")
    assert plan.settings.collector.stop_after_s == 60
    assert plan.environment("redis://x")["AVIARY_OVERLAYS"] == "reproducible"
