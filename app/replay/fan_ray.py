"""One function over many items on a Ray cluster."""

import pickle
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from app.core.errors import Misconfigured
from app.replay.build_facts import build_facts
from app.replay.fan_call import Failure, call, lost

T = TypeVar("T")
R = TypeVar("R")

_POLL_S = 0.2
_KNOCK_S = 5
#: Enough to keep a large cluster busy, and to show one that grows by itself how much there is to do.
_AHEAD = 1000


def fan_ray(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    address: str,
    jobs: int | None,
    stop: Callable[[], bool],
    name: Callable[[T], str],
) -> Generator[tuple[int, R | Failure], None, None]:
    """As `fan_out`, on the cluster at `address`."""
    ray = _library()
    left, again = deque(range(len(items))), set[int]()
    running: dict[Any, int] = {}
    with _connection(ray, address, running):
        # Ray sees to it that a task of one core has one thread (OMP_NUM_THREADS, which BLAS and Arrow heed). Left to
        # itself it would try an item that needs too much memory for ever.
        task = ray.remote(num_cpus=1, max_retries=0)(_on_a_node)
        while (left or running) and not stop():
            while left and len(running) < (jobs or _AHEAD):
                index = left.popleft()
                payload = ray.cloudpickle.dumps((function, items[index]))
                running[task.remote(build_facts(), payload)] = index
            done, _ = ray.wait(list(running), num_returns=1, timeout=_POLL_S)
            for reference in done:
                index = running.pop(reference)
                outcome = _outcome(ray, reference)
                if isinstance(outcome, _Ended) and index not in again:
                    again.add(index)
                    left.append(index)
                else:
                    yield index, lost(name(items[index]), outcome.how) if isinstance(outcome, _Ended) else outcome


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A node runs other code than we do: what differs."""

    differences: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Ended:
    """A worker ended before it was done."""

    how: str


def _on_a_node(expected: Mapping[str, str], payload: bytes) -> Any:
    # What is in the payload may not even mean the same to another version, so it is opened last.
    here = build_facts()
    if here != expected:
        return _Foreign({name: (here[name], what) for name, what in expected.items() if here[name] != what})
    function, item = pickle.loads(payload)
    return call(function, item)


def _outcome(ray: Any, reference: Any) -> Any:
    try:
        found = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # Everything that the item itself can raise has been caught, so this is about getting there.
        raise Misconfigured(
            "a node of the Ray cluster cannot run this code; install this version of aviary on every node, with the "
            f"same Python: {_last_line(error)}"
        ) from None
    except ray.exceptions.RayError as error:
        return _Ended(_last_line(error))
    if isinstance(found, _Foreign):
        told = "; ".join(f"{name} {there} there, {here} here" for name, (there, here) in found.differences.items())
        raise Misconfigured(
            f"a node of the Ray cluster would not compute the same: {told}. Install this version of aviary and its "
            "libraries on every node"
        )
    return found


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1].strip()


def _library() -> Any:
    try:
        import ray
    except ImportError:
        raise Misconfigured("Ray is not installed: pip install 'aviary[ray]', or leave out the address") from None
    return ray


@contextmanager
def _connection(ray: Any, address: str, running: Mapping[Any, int]) -> Iterator[None]:
    """A connection to the cluster; what is still `running` at the end is cancelled."""
    own = not ray.is_initialized()
    if own:
        _connect(ray, address)
    try:
        yield
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if own:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    try:
        _knock(address)
        with _own_sigterm():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        raise Misconfigured(
            f"no Ray cluster answers at {address!r} ({_last_line(error)}); `ray status` there says how it is, and one "
            "that asks for a token has to get it: set RAY_AUTH_TOKEN here to what it is there"
        ) from None


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Within this context the handler of SIGTERM may be replaced: Ray puts its own there, and asks nobody."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Ray itself tries for more than a minute to reach what is not there."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
