"""Replays: the cores of all services in one process, for sweeps, tests and `python -m app replay`."""

from app.replay.replay import Progress as Progress
from app.replay.replay import ReplayResult as ReplayResult
from app.replay.replay import run as run
