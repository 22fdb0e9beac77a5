"""How long to wait before trying again."""

from random import Random


class Backoff:
    """Delays that double from `first_s` up to `most_s`, each shortened at random by up to a half.

    The random part keeps many clients from coming back at the same moment; it is drawn from `seed`.
    """

    def __init__(self, *, first_s: float, most_s: float, seed: str) -> None:
        self._first_s = min(first_s, most_s)
        self._most_s = most_s
        self._next_s = self._first_s
        self._random = Random(seed)

    def next(self, at_least_s: float = 0.0) -> float:
        """Seconds to wait now; `at_least_s` is what the other side asked for, and wins over `most_s`."""
        delay = self._next_s * self._random.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._most_s)
        return max(delay, at_least_s)

    def reset(self) -> None:
        """It worked: the next delay is short again."""
        self._next_s = self._first_s
