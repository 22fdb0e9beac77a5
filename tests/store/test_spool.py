"""The spool: what is appended is there, torn tails are cut and counted, misuse is refused."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadInput, Misconfigured, Retryable, SchemaMismatch
from app.market.rows import Rows, concat
from app.store.frames import scan
from app.store.recovery import SEALED
from app.store.spool import Recovered, Spool, read_spool, recover, spool_dir

from .recordings import HOUR, START, recording


def spool_files(root: Path) -> list[Path]:
    return sorted(spool_dir(root, "v", "s").glob("*.rows"))


def contents(root: Path) -> Rows:
    return concat(rows for path in spool_files(root) for rows in read_spool(path))


def filled(root: Path, rows: Rows, block: int = 50) -> None:
    spool = Spool(root, venue="v", shard="s", fsync_s=1)
    for start in range(0, len(rows), block):
        spool.append(rows[start : start + block])
    spool.close()


def test_what_is_appended_is_read_back_and_counted(tmp_path: Path) -> None:
    rows = recording(500)
    filled(tmp_path, rows)
    assert np.array_equal(contents(tmp_path), rows)
    with_more = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    assert with_more.count == 500
    assert with_more.recovered == Recovered(500, 0, int(rows["ts_recv"][-1]), f"s-{rows['ts_recv'][0]}-0")
    with_more.append(rows[-1:].tobytes())
    assert with_more.count == 501
    with_more.close()
    assert len(contents(tmp_path)) == 501


def test_an_hour_has_its_own_file_even_within_a_block(tmp_path: Path) -> None:
    rows = recording(900, start=START + HOUR - 1_000_000_000)
    filled(tmp_path, rows, block=900)
    files = spool_files(tmp_path)
    assert [path.name.split("-")[0] for path in files] == ["20240809T00", "20240809T01"]
    assert [int(path.stem.split("-")[1]) for path in files] == [scan(path).header.start_ns for path in files]
    assert all(scan(path).closed for path in files)
    assert np.array_equal(contents(tmp_path), rows)


def test_a_tape_played_again_begins_a_new_recording(tmp_path: Path) -> None:
    rows = recording(100)
    filled(tmp_path, rows)
    filled(tmp_path, rows)
    first, second = sorted((scan(path).header for path in spool_files(tmp_path)), key=lambda header: header.start_seq)
    assert (first.start_seq, second.start_seq) == (0, 100)
    assert first.recording != second.recording
    assert recover(tmp_path, "v", "s").recording == second.recording


def test_a_restart_goes_on_with_the_recording(tmp_path: Path) -> None:
    rows = recording(100)
    filled(tmp_path, rows[:60])
    filled(tmp_path, rows[60:])
    names = {scan(path).header.recording for path in spool_files(tmp_path)}
    assert len(spool_files(tmp_path)) == 2
    assert len(names) == 1


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    rows = recording(50)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    swapped = rows.copy()
    swapped["ts_recv"][30] = swapped["ts_recv"][0] - 1
    with pytest.raises(BadInput, match=f"ts_recv decreases at row 30 of a block: {swapped['ts_recv'][30]} after"):
        spool.append(swapped)
    assert spool.count == 0
    spool.append(rows)
    with pytest.raises(BadInput, match=f"ts_recv decreases between blocks: {rows['ts_recv'][0]} after"):
        spool.append(rows)
    with pytest.raises(BadInput, match="block of 41 bytes is not a whole number of 40-byte rows"):
        spool.append(b"x" * 41)
    spool.close()
    with pytest.raises(BadInput, match="spool of shard 's' is closed"):
        spool.append(rows)


def test_a_shard_has_one_writer(tmp_path: Path) -> None:
    first = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    with pytest.raises(Misconfigured, match=r"another process records shard 's' of v under .*; stop it, or set"):
        Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    other = Spool(tmp_path, venue="v", shard="t", fsync_s=1)
    first.close()
    Spool(tmp_path, venue="v", shard="s", fsync_s=1).close()
    other.close()


def test_sync_is_due_after_the_configured_time_with_rows_waiting(tmp_path: Path) -> None:
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=0.5)
    assert not spool.due(10**12)
    spool.append(recording(3))
    assert not spool.due(10**12)
    assert not spool.due(10**12 + 499_999_999)
    assert spool.due(10**12 + 500_000_000)
    spool.sync()
    assert not spool.due(10**15)
    spool.close()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(min_value=1, max_value=2000), garbage=st.binary(max_size=50))
def test_a_torn_tail_costs_the_torn_frame_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    root = tmp_path_factory.mktemp("spool")
    rows = recording(60, instruments=1)
    filled(root, rows, block=7)
    (path,) = spool_files(root)
    whole = path.read_bytes()
    body = len(whole) - 16  # without the footer
    path.write_bytes(whole[: max(body - cut, 300)] + garbage)
    size = path.stat().st_size
    found = recover(root, "v", "s")
    kept = contents(root)
    assert np.array_equal(kept, rows[: len(kept)])
    assert len(kept) == found.count
    assert found.count % 7 == 0 or found.count == 60
    assert found.bytes_lost == size - (path.stat().st_size - 16)
    assert recover(root, "v", "s") == Recovered(found.count, 0, found.last_ts_recv, found.recording)
    assert not list(path.parent.glob("*.damaged"))


def test_reading_past_a_torn_tail_is_an_error(tmp_path: Path) -> None:
    filled(tmp_path, recording(20), block=10)
    (path,) = spool_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    blocks = read_spool(path)
    assert len(next(blocks)) == 10
    with pytest.raises(BadInput, match=r"412 bytes after byte \d+ are not a whole frame; run recover"):
        next(blocks)


def test_whole_frames_after_damage_are_set_aside(tmp_path: Path) -> None:
    rows = recording(30)
    filled(tmp_path, rows, block=10)
    (path,) = spool_files(tmp_path)
    data = bytearray(path.read_bytes())
    second = len(data) - 16 - 416 - 416
    data[second + 100] ^= 1
    path.write_bytes(data)
    found = recover(tmp_path, "v", "s")
    assert found.count == 10
    assert found.bytes_lost == 416 + 416 + 16
    assert path.with_suffix(".damaged").read_bytes() == bytes(data[second:])
    assert np.array_equal(contents(tmp_path), rows[:10])


def test_a_whole_frame_that_does_not_continue_the_count_is_damage(tmp_path: Path) -> None:
    filled(tmp_path, recording(30), block=10)
    (path,) = spool_files(tmp_path)
    data = path.read_bytes()
    second = len(data) - 16 - 416 - 416
    path.write_bytes(data[:second] + data[second + 416 :])  # the frame between is gone
    assert scan(path).rows == 10
    assert recover(tmp_path, "v", "s").count == 10


def test_a_file_that_is_no_spool_file_is_named(tmp_path: Path) -> None:
    filled(tmp_path, recording(5))
    (path,) = spool_files(tmp_path)
    good = path.read_bytes()
    path.write_bytes(b"PAR1" + good)
    with pytest.raises(BadInput, match=r"\.rows is not a spool file: it starts with b'PAR1AVRO', expected"):
        recover(tmp_path, "v", "s")
    path.write_bytes(good[:30] + b"?" + good[31:])
    with pytest.raises(BadInput, match=r"\.rows: the header is damaged \(its CRC-32 does not match\)"):
        Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    path.write_bytes(good)
    Spool(tmp_path, venue="v", shard="s", fsync_s=1).close()  # a failed start holds no lock


def test_rows_of_another_layout_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from app.store.frames import pack_header

    filled(tmp_path, recording(5))
    (path,) = spool_files(tmp_path)
    path.write_bytes(pack_header(replace(scan(path).header, schema="0123456789abcdef")))
    with pytest.raises(SchemaMismatch, match="was written under row schema '0123456789abcdef', this program reads"):
        next(read_spool(path))


def test_a_full_disk_leaves_whole_frames_and_may_be_retried(tmp_path: Path) -> None:
    rows = recording(400)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows[:100])
    (path,) = spool_files(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1000, hard))
    try:
        with pytest.raises(Retryable, match=r"cannot be written \(File too large\); free space there"):
            spool.append(rows[100:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spool.count == 100
    left = scan(path)
    assert (left.rows, left.good) == (100, left.size)
    spool.append(rows[100:])
    spool.close()
    assert np.array_equal(contents(tmp_path), rows)


def test_a_file_being_written_is_left_alone_by_recover(tmp_path: Path) -> None:
    rows = recording(100)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows[:50])
    assert recover(tmp_path, "v", "s").count == 50
    spool.append(rows[50:])
    spool.close()
    assert np.array_equal(contents(tmp_path), rows)


def test_the_count_survives_sealing(tmp_path: Path) -> None:
    filled(tmp_path, recording(10))
    (path,) = spool_files(tmp_path)
    path.unlink()
    (path.parent / SEALED).write_text('{"count": 10, "last_ts_recv": 7, "recording": "s-1-0"}')
    assert recover(tmp_path, "v", "s") == Recovered(10, 0, 7, "s-1-0")


def test_unnamed_files_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    directory = spool_dir(tmp_path, "v", "s")
    directory.mkdir(parents=True)
    (directory / "20240809T00-1.tmp").write_bytes(b"AVROWS1")
    assert recover(tmp_path, "v", "s") == Recovered()
    assert os.listdir(directory) == []
