"""Ctrl-C as a question that work asks when it can stop, and not as an exception in the middle of it."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Within this context the first SIGINT or SIGTERM sets `asked`; a second raises `KeyboardInterrupt`."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
