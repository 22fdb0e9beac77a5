"""Memory and CPU of a process that exports no metrics, as Linux tells them."""

import os
from pathlib import Path

from app.console.scrape import Scrape

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/<pid>/stat behind the command's closing parenthesis.
_UTIME, _STIME, _RSS = 11, 12, 21


def read_usage(pid: int | None) -> Scrape | None:
    """What process `pid` uses; None if there is no such process, or no /proc."""
    if pid is None:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    cpu_s = (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S
    # A process id is what tells one life from the next.
    return Scrape(ready=True, started=float(pid), rss_bytes=int(fields[_RSS]) * _PAGE, cpu_s=cpu_s)
