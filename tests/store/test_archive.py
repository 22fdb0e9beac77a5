"""The archive gives back the stream that went in, in bounded memory, and refuses what is not as it was written."""

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadInput, Misconfigured, SchemaMismatch
from app.market.rows import CLOCK, LAST, SCHEMA, Rows, concat
from app.store.archive import Archive, ArchiveReader, recordings
from app.store.layout import read_sidecar, sidecar_of
from app.store.part import file_sha256, read_part

from .recordings import HOUR, START, archive, recording


def parts_of(root: Path, symbol: str = "*") -> list[Path]:
    return sorted(root.glob(f"venue=*/symbol={symbol}/date=*/hour=*/*.parquet"))


def rewrite(part: Path, table: pa.Table) -> None:
    """Replace the rows of `part`, and let all that is said about it fit."""
    inside = {key: value for key, value in pq.read_metadata(part).metadata.items() if key.startswith(b"aviary.")}
    pq.write_table(table.replace_schema_metadata(inside), part)
    resign(part)


def resign(part: Path, **changes: object) -> None:
    """Give `part`, changed by the test, a sidecar that fits its bytes and is sealed anew."""
    about = msgspec.structs.replace(
        read_sidecar(part), bytes=part.stat().st_size, sha256=file_sha256(part), **changes
    ).sealed()
    sidecar_of(part).write_bytes(msgspec.json.encode(about))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 3000),
    step=st.sampled_from([1_000, 10_000_000, 20_000_000_000]),
    seed=st.integers(0, 2**31),
    split=st.integers(0, 3000),
)
def test_the_stream_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, count: int, step: int, seed: int, split: int
) -> None:
    root = tmp_path_factory.mktemp("archive")
    rows = recording(count, step=step, seed=seed)
    split = min(split, count)
    archive(root, rows[:split], first_seq=0)
    archive(root, rows[split:], first_seq=split)
    if not Archive(root).symbols:
        return  # clock rows only: there is no symbol to read
    blocks = list(ArchiveReader(root, "v"))
    assert np.array_equal(concat(blocks), rows)
    for block in blocks:
        assert block["flags"][-1] & LAST or block["kind"][-1] == CLOCK or block is blocks[-1]


def test_parts_lie_by_venue_symbol_and_hour_and_describe_themselves(tmp_path: Path) -> None:
    rows = recording(400, step=20_000_000_000)
    parts = archive(tmp_path, rows)
    assert sum(part.rows for part in parts) == len(rows)
    first = rows[rows["instrument"] == 1]["ts_recv"][0]
    place = f"venue=v/symbol=BTCUSDT/date=2024-08-09/hour=00/part-{first}.parquet"
    about = read_sidecar(tmp_path / place)
    inside = {key.decode(): value.decode() for key, value in pq.read_metadata(tmp_path / place).metadata.items()}
    assert about.schema == inside["aviary.schema"] == SCHEMA
    assert about.instrument == int(inside["aviary.instrument"]) == 1
    assert about.rows == int(inside["aviary.rows"]) == pq.read_metadata(tmp_path / place).num_rows
    assert about.first_ts == int(inside["aviary.first_ts"]) == first
    assert about.content_sha256 == inside["aviary.content_sha256"]
    assert about.sha256 == file_sha256(tmp_path / place)
    assert about.bytes == (tmp_path / place).stat().st_size
    clock = parts_of(tmp_path, "_CLOCK")
    assert sum(read_sidecar(part).rows for part in clock) == (rows["kind"] == CLOCK).sum()


def test_some_symbols_of_some_time(tmp_path: Path) -> None:
    rows = recording(3000, step=10_000_000_000)
    archive(tmp_path, rows)
    start, end = START + HOUR // 2, START + 2 * HOUR
    got = concat(ArchiveReader(tmp_path, "v", ["ETHUSDT"], start, end))
    within = (rows["ts_recv"] >= start) & (rows["ts_recv"] < end)
    assert np.array_equal(got, rows[within & (rows["instrument"] != 1)])
    assert Archive(tmp_path).symbols == ("BTCUSDT", "ETHUSDT")


def test_shards_are_merged_by_time(tmp_path: Path) -> None:
    rows = recording(2000, instruments=2)
    one = rows[rows["instrument"] == 1]
    other = rows[rows["instrument"] != 1]
    archive(tmp_path, one, name="a")
    archive(tmp_path, other, name="b")
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), rows)
    # Clock rows are the other shard's: this symbol's recording has none.
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v", ["BTCUSDT"])), one)


def test_sessions_follow_one_another(tmp_path: Path) -> None:
    first = recording(500)
    second = recording(500, start=int(first["ts_recv"][-1]) + 1, seed=1)
    archive(tmp_path, second, name="second")
    archive(tmp_path, first, name="first")
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), concat([first, second]))
    assert list(recordings(tmp_path, "v", "BTCUSDT")) == ["first", "second"]


def test_a_tape_recorded_twice_must_be_chosen_from(tmp_path: Path) -> None:
    rows = recording(100)
    archive(tmp_path, rows, name="first")
    archive(tmp_path, rows, name="second", first_seq=100)
    with pytest.raises(BadInput, match=r"are recordings of (BTC|ETH)USDT at the same time \(first and second\); read"):
        list(ArchiveReader(tmp_path, "v"))
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v", recording="second")), rows)


def test_writing_the_same_rows_again_changes_nothing(tmp_path: Path) -> None:
    rows = recording(100)
    archive(tmp_path, rows)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*")}
    archive(tmp_path, rows)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*")} == before


def test_other_rows_of_the_same_recording_are_a_conflict(tmp_path: Path) -> None:
    rows = recording(100)
    archive(tmp_path, rows)
    rows["px"][rows["kind"] != CLOCK] += 1
    archive(tmp_path, rows)  # beside the first
    rows["px"][rows["kind"] != CLOCK] += 1
    with pytest.raises(BadInput, match="holds other rows of the same recording r; the archive was changed by hand"):
        archive(tmp_path, rows)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"has nothing of venue 'v' \(venues there: none\); import a recording"):
        ArchiveReader(tmp_path, "v")
    with pytest.raises(Misconfigured, match="is not an archive: it has no venue=… directory"):
        Archive(tmp_path)
    archive(tmp_path, recording(100))
    with pytest.raises(Misconfigured, match=r"has nothing of venue 'w' \(venues there: v\)"):
        ArchiveReader(tmp_path, "w")
    with pytest.raises(Misconfigured, match=r"has no DOGEUSDT of venue v \(symbols there: BTCUSDT, ETHUSDT\)"):
        ArchiveReader(tmp_path, "v", ["BTCUSDT", "DOGEUSDT"])


def test_damage_is_refused_with_the_file_named(tmp_path: Path) -> None:
    archive(tmp_path, recording(1000))
    (part,) = parts_of(tmp_path, "BTCUSDT")
    good, about = part.read_bytes(), sidecar_of(part).read_bytes()

    part.write_bytes(good[:-100])
    with pytest.raises(
        BadInput, match=rf"{part.name}, row 0: the file has {len(good) - 100} bytes, its .+ {len(good)}; re"
    ):
        list(ArchiveReader(tmp_path, "v"))
    part.write_bytes(good[:500] + bytes([good[500] ^ 1]) + good[501:])
    with pytest.raises(
        BadInput, match=rf"{part.name}, row 0: .+ was changed after it was written \(its SHA-256 differs\)"
    ):
        list(ArchiveReader(tmp_path, "v"))
    part.write_bytes(good)
    resign(part, schema="0123456789abcdef")
    with pytest.raises(SchemaMismatch, match=rf"{part.name}, row 0: .+ under row schema '0123456789abcdef'"):
        list(ArchiveReader(tmp_path, "v"))
    resign(part, schema=SCHEMA, symbol="SOLUSDT")
    with pytest.raises(
        BadInput, match=rf"{part.name}, row 0: it is described as rows of SOLUSDT of v and lies among those of"
    ):
        list(ArchiveReader(tmp_path, "v"))
    sidecar_of(part).write_text("{")
    with pytest.raises(
        BadInput, match=r"part-\d+.json beside it is not a sidecar \(Input data was truncated\); restore it"
    ):
        list(ArchiveReader(tmp_path, "v"))
    sidecar_of(part).unlink()
    with pytest.raises(BadInput, match=rf"{part.name}, row 0: it has no sidecar part-\d+.json; restore it"):
        list(ArchiveReader(tmp_path, "v"))
    sidecar_of(part).write_bytes(about)
    assert sum(map(len, ArchiveReader(tmp_path, "v"))) == 1000


@pytest.mark.parametrize("column", ["seq", "ts_recv"])
def test_shuffled_rows_are_refused_with_their_row_named(tmp_path: Path, column: str) -> None:
    archive(tmp_path, recording(1000))
    (part,) = parts_of(tmp_path, "BTCUSDT")
    table = pq.read_table(part)
    values = table[column].to_numpy().copy()
    at = int(np.flatnonzero(values[101:] > values[100:-1])[0]) + 101
    values[[at - 1, at]] = values[[at, at - 1]]
    changed = table.set_column(table.schema.get_field_index(column), table.schema.field(column), pa.array(values))
    rewrite(part, changed)
    with pytest.raises(BadInput, match=rf"{part.name}, row {at}: rows are not in order \(seq"):
        list(ArchiveReader(tmp_path, "v"))


def test_rows_missing_from_a_part_are_refused(tmp_path: Path) -> None:
    archive(tmp_path, recording(1000))
    (part,) = parts_of(tmp_path, "BTCUSDT")
    rows = read_sidecar(part).rows
    rewrite(part, pq.read_table(part).slice(0, rows - 1))
    with pytest.raises(BadInput, match=rf"{part.name}, row {rows - 1}: the file has {rows - 1} rows up to seq \d+"):
        list(read_part(part, read_sidecar(part)))


def peak_of_reading(root: Path) -> int:
    tracemalloc.start()
    for _ in ArchiveReader(root, "v"):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def hours(count: int) -> Rows:
    return concat(recording(80_000, start=START + hour * HOUR, step=40_000, seed=hour) for hour in range(count))


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    archive(tmp_path / "short", hours(2))
    archive(tmp_path / "long", hours(8))
    peak_of_reading(tmp_path / "short")  # what is loaded once
    short, long = peak_of_reading(tmp_path / "short"), peak_of_reading(tmp_path / "long")
    assert long < 1.3 * short
    assert pa.default_memory_pool().max_memory() < 100e6
