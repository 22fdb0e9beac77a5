"""Real processes, killed with SIGKILL in the middle of their work, lose nothing but a counted torn tail."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from app.market.rows import concat
from app.store.archive import ArchiveReader
from app.store.seal import main as seal
from app.store.spool import Spool, read_spool, recover, spool_dir

from .recordings import recording

ROOT = Path(__file__).resolve().parent.parent.parent
APPENDER = """
import sys
from pathlib import Path
from app.store.spool import Spool
from tests.store.recordings import recording
rows = recording(200_000, step=2_000_000)
spool = Spool(Path(sys.argv[1]), venue="v", shard="s", fsync_s=1)
at = spool.count
while at < len(rows):
    spool.append(rows[at : at + 1 + at % 7])
    at += 1 + at % 7
    print(at, flush=True)  # what is appended is published
    if spool.due(at * 10_000):
        spool.sync()
"""


def run_jobs(kind: str, directory: Path, *arguments: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.crash_driver", kind, str(directory), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_killed_while_appending(tmp_path: Path) -> None:
    rows = recording(200_000, step=2_000_000)
    published = 0
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", APPENDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split(b"\n")
        child.wait()
        child.stdout.close()
        published = int(lines[-2]) if len(lines) > 1 else published
        found = recover(tmp_path, "v", "s")
        # Appended before it is published; a row more may have been appended and not published.
        assert published <= found.count <= published + 7
        assert found.bytes_lost < 16 + 7 * 40
    kept = concat(block for path in sorted(spool_dir(tmp_path, "v", "s").glob("*.rows")) for block in read_spool(path))
    assert len(kept) == found.count > 0
    assert np.array_equal(kept, rows[: len(kept)])
    assert seal(["--root", str(tmp_path)]) == 0
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), kept)


def test_killed_at_every_file_operation_of_sealing(tmp_path: Path) -> None:
    rows = recording(2000)
    spool = Spool(tmp_path / "given", venue="v", shard="s", fsync_s=1)
    spool.append(rows)
    spool.close()
    runs = run_jobs("seal", tmp_path)
    assert len(runs) > 20
    assert {run["rows"] for run in runs} == {2000}
    assert {run["digest"] for run in runs} == {hashlib.sha256(rows.tobytes()).hexdigest()}
    assert {run["parts"] for run in runs} == {3}
    # Right after the kill all symbols are there, or none.
    assert {run["seen"] for run in runs} == {0, 2000}


def test_the_next_spool_goes_on_after_a_kill_during_sealing(tmp_path: Path) -> None:
    """The count is kept before the spool file goes, so no counter is ever given out twice."""
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(recording(100))
    spool.close()
    code = (
        "import os, signal, sys\n"
        "from app.store.seal import main\n"
        "def hook(event, arguments):\n"
        "    if event == 'os.remove' and str(arguments[0]).endswith('.rows'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
        "main(['--root', sys.argv[1]])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    (path,) = spool_dir(tmp_path, "v", "s").glob("*.rows")
    path.unlink()
    assert recover(tmp_path, "v", "s").count == 100
