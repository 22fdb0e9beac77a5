"""Fixtures shared by all tests: a real Redis, the recordings, free ports."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from app.bus.server import RedisServer
from tests.service_rig import ServiceProcess, StartService

# A shell starts background commands with Ctrl-C ignored, and nohup with hang-ups; children would inherit that, and
# the tests that send them these signals would wait for ever.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent

# The same examples in every run; no deadline, since the first call of a kernel compiles it.
settings.register_profile("aviary", derandomize=True, deadline=None, database=None)
settings.load_profile("aviary")


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`REDIS_URL` if set, else one private server for the whole session."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield given
        return
    with RedisServer(tmp_path_factory.mktemp("redis"), appendonly=False) as server:
        yield server.url


@pytest.fixture
def redis_url(_shared_redis: str) -> str:
    """URL of a real, empty Redis database."""
    with redis.Redis.from_url(_shared_redis) as client:
        client.flushdb()
    return _shared_redis


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A private server a test may stop, kill and start again; its data survive."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of that database."""
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Starts a service (its name, then assignments) as a process that does not outlive the test."""
    started: list[ServiceProcess] = []

    def start(service: str, *assignments: str) -> ServiceProcess:
        started.append(ServiceProcess(service, tmp_path / f"{service}.log", *assignments))
        return started[-1]

    yield start
    for process in started:
        process.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recordings; the test is skipped, never passed, where it is absent."""
    path = Path(os.environ.get("AVIARY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}; set AVIARY_SHARED_DATA")
    return path


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that differs between tests, is the same in every run, and is printed when the test fails."""
    value = random.Random(request.node.nodeid).randrange(2**31)
    print(f"seed={value}")
    return value
