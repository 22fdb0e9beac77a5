"""One function over many items: on all cores of this machine, or on a Ray cluster, by the same call.

Which worker takes what is decided by `concurrent.futures` here and by Ray there. Measured against joblib, which has a
backend for either: its Ray backend cannot give results as they come, and one killed worker ends the whole call.
"""

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from app.core.errors import Misconfigured
from app.replay.fan_call import Failure as Failure
from app.replay.fan_local import fan_local
from app.replay.fan_ray import fan_ray
from app.replay.usable_cpus import usable_cpus

T = TypeVar("T")
R = TypeVar("R")


def fan_out(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    jobs: int | None = None,
    ray: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    name: Callable[[T], str] = repr,
) -> Generator[tuple[int, R | Failure], None, None]:
    """`function(item)` of each of `items`, each in a worker with one core: (its index, its result), as they come.

    `function` and `items` have to be picklable, as for `multiprocessing`: a script that calls this needs
    ``if __name__ == "__main__":``. At most `jobs` are worked on at a time; by default as many as this process has
    cores, or the cluster at the address `ray` has. What `function` raises comes back as a `Failure` of that item, and
    the others go on. An item whose worker is killed is tried once more, by itself on this machine, and then is a
    `Failure`, too, which calls it `name(item)`.

    `stop` is asked several times a second. When it says True, when the iterator is closed and when an exception passes
    through it, the workers are killed, and none is left behind, neither if this process is.

    Raises:
        Misconfigured: `jobs` is below 1, no worker can start, Ray is not installed or not there, or the cluster runs
            another version of this code.
    """
    if jobs is not None and jobs < 1:
        raise Misconfigured(f"jobs is {jobs}, and it takes at least 1 to get anything done; leave it out for all cores")
    if ray is not None:
        return fan_ray(function, items, address=ray, jobs=jobs, stop=stop, name=name)
    return fan_local(function, items, jobs=jobs or usable_cpus(), stop=stop, name=name)
