"""One function over many items in processes of this machine."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from app.core.errors import Misconfigured
from app.replay.fan_call import ONE_THREAD, Failure, call, lost

T = TypeVar("T")
R = TypeVar("R")

_POLL_S = 0.2


def fan_local(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    jobs: int,
    stop: Callable[[], bool],
    name: Callable[[T], str],
) -> Generator[tuple[int, R | Failure], None, None]:
    """As `fan_out`, in at most `jobs` processes."""
    left = deque(range(len(items)))
    while left:
        try:
            yield from _through(function, items, left, jobs, stop)
        except _Broken as broken:
            for index in broken.in_hand:
                # Any of them may be what ended a worker: by itself it cannot take others down with it.
                try:
                    yield from _through(function, items, deque([index]), 1, stop)
                except _Broken as again:
                    yield index, lost(name(items[index]), again.how)
        if stop():
            return


def _through(
    function: Callable[[T], R], items: Sequence[T], left: deque[int], jobs: int, stop: Callable[[], bool]
) -> Generator[tuple[int, R | Failure], None, None]:
    """The items `left`, each taken out of it when a worker gets it; until all are done, or `stop` says so."""
    running: dict[Future[R | Failure], int] = {}
    with _workers(min(jobs, len(left)), running) as (executor, context):
        while left or running:
            if stop():
                return
            broken = not _hand_out(executor, function, items, left, jobs, running)
            done, _ = wait(running, None if broken else _POLL_S, FIRST_COMPLETED)
            broken |= any(isinstance(future.exception(), BrokenProcessPool) for future in done)
            if broken:
                done, _ = wait(running)
            in_hand = []
            for future in done:
                index = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    in_hand.append(index)
                else:
                    yield index, future.result()
            if broken:
                # It joins its workers in a thread of its own; before that is done, exit codes come and go.
                executor.shutdown(wait=True)
                raise _Broken(in_hand, context.ends())


def _hand_out(
    executor: ProcessPoolExecutor,
    function: Callable[[T], R],
    items: Sequence[T],
    left: deque[int],
    jobs: int,
    running: dict[Future[R | Failure], int],
) -> bool:
    """Give every free worker an item; False if a worker has ended."""
    # No more than there are workers, so that it is known what an ended one can have had in hand.
    while left and len(running) < jobs:
        try:
            running[executor.submit(call, function, items[left[0]])] = left[0]
        except BrokenProcessPool:
            return False
        left.popleft()
    return True


class _Broken(Exception):
    """A worker ended with the items `in_hand` given out; `how` says what is known of it."""

    def __init__(self, in_hand: list[int], how: str) -> None:
        super().__init__(how)
        self.in_hand = sorted(in_hand)
        self.how = how


class _Context(SpawnContext):
    """Starts workers, and knows them: the executor forgets those that it was interrupted at starting."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self.began: Event = self.Event()

    def Process(self, *args: Any, **options: Any) -> "_Worker":  # type: ignore[override]
        self.workers.append(_Worker(*args, **options))
        return self.workers[-1]

    def ends(self) -> str:
        """How the first worker ended that did so by itself.

        Raises:
            Misconfigured: none has ever begun.
        """
        # Once one has ended, the executor ends the others with SIGTERM.
        codes = [worker.exitcode for worker in self.workers if worker.exitcode not in (0, None, -signal.SIGTERM)]
        how = _told(codes[0] if codes else -signal.SIGTERM)
        if not self.began.is_set():
            raise Misconfigured(
                f"no worker could start ({how}); what it wrote is above. A script that starts workers needs "
                'if __name__ == "__main__": around what is not a definition'
            )
        return how


def _told(code: int | None) -> str:
    if code is None or code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class _Worker(SpawnProcess):
    def start(self) -> None:
        """Start with one thread, and deaf to Ctrl-C: that goes to the whole group, and the parent sees to us."""
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(ONE_THREAD)
        try:
            super().start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _workers(jobs: int, running: dict[Any, int]) -> Iterator[tuple[ProcessPoolExecutor, _Context]]:
    """Workers that are gone at the end, killed where they are still `running` something."""
    context = _Context()
    executor = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(context.began,))
    try:
        yield executor, context
    finally:
        if running:
            for worker in context.workers:
                worker.kill()
        executor.shutdown(wait=True, cancel_futures=True)


def _begin(began: Event) -> None:
    began.set()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    # A parent that is killed closes nothing that a worker reads from: siblings hold the other end, too.
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
