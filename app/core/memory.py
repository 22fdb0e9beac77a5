"""How the C library's allocator deals with freed memory."""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP: Final = 16 << 20
_FROM_THE_HEAP: Final = 4 << 20


def keep_freed_memory() -> bool:
    """Have this process keep 16 MB of what it frees; False where the C library is not glibc, and nothing changes.

    Blocks of rows are some hundred kB, and made and freed all the time. Left to itself, glibc gives such memory back to
    the system at once, and gets it anew page by page: a tenth of a replay's CPU would be page faults.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEEP) and mallopt(_M_MMAP_THRESHOLD, _FROM_THE_HEAP))
