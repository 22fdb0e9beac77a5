"""The frame of a command: what its errors look like, and which exit code they have."""

from collections.abc import Callable

from app.console.board import View
from app.core.errors import AviaryError, Misconfigured
from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED


def guarded(work: Callable[[], int], view: View, *, interrupted: str) -> int:
    """The exit code of `work`, or that of its error, which `view` is told; a second Ctrl-C says `interrupted`."""
    try:
        return work()
    except Misconfigured as error:
        view.check("misconfigured", str(error), mark="fail")
        return EXIT_MISCONFIGURED
    except AviaryError as error:
        view.check("failed", str(error), mark="fail")
    except KeyboardInterrupt:
        view.note(interrupted)
    return EXIT_FAILED
