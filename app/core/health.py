"""Is the process behind a metrics port ready? `python -m app.core.health PORT` answers with its exit code, 0 or 1.

For container health checks, so it loads nothing but the standard library.
"""

import re
import sys
import urllib.request

_TIMEOUT_S = 2.0
_READY = re.compile(r"^service_ready(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)


def fault(port: int, *, host: str = "127.0.0.1") -> str | None:
    """What is wrong with the process whose metrics are served on `port`; None if it is ready."""
    url = f"http://{host}:{port}/metrics?name[]=service_ready"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply:
            page = reply.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        return f"port {port} does not answer with metrics: {error}"
    values = [match["value"] for match in _READY.finditer(page)]
    if not values:
        return f"port {port} serves no service_ready; is it a metrics port of Aviary?"
    return None if set(values) == {"1.0"} else "the process is starting or recovering"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0].isdecimal():
        print("usage: python -m app.core.health PORT", file=sys.stderr)
        return 1
    found = fault(int(arguments[0]))
    if found:
        print(found, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
