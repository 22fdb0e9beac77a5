import subprocess
import sys

import pytest

from app.core.memory import keep_freed_memory

_FAULTS = """
import resource, sys
from app.core.memory import keep_freed_memory

def work():
    for _ in range(200):
        first, second, third = bytes(700_000), bytes(800_000), bytes(900_000)

if sys.argv[1] == "keep":
    keep_freed_memory()
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_kept_memory_is_used_again_without_page_faults() -> None:
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")
    assert faults("keep") < 200
    assert faults("leave") > 1000
