"""Ways in which an archive comes to harm, done to a real one."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, TRADE, Rows, concat
from app.store.layout import read_sidecar, sidecar_of
from app.store.part import file_sha256

from .recordings import HOUR, START, archive, recording

Damage = Callable[[Path], None]


def healthy(root: Path, rows: int = 6000) -> Rows:
    """An archive of two symbols over two hours, with a snapshot of each book now and then; gives its rows."""
    written = concat([_market(rows, 0), _market(rows, 1)])
    archive(root, written, name="import-0123456789abcdef")
    return written


def _market(count: int, hour: int) -> Rows:
    rows = recording(count, start=START + hour * HOUR, step=1_000_000, seed=hour)
    kinds = np.random.default_rng(hour).random(count)
    rows["kind"][(rows["kind"] == DEPTH_SET) & (kinds < 0.2)] = TRADE
    rows["qty"][rows["kind"] == TRADE] += 0.001
    # Messages of a single row: a snapshot that has no levels yet.
    alone = np.flatnonzero((rows["flags"] & LAST != 0) & np.insert(rows["flags"][:-1] & LAST != 0, 0, True))
    snapshots = alone[(rows["kind"][alone] != CLOCK)][::40]
    for name, value in (("kind", DEPTH_CLEAR), ("flags", LAST | SNAPSHOT), ("side", 0), ("px", 0.0), ("qty", 0.0)):
        rows[name][snapshots] = value
    return rows


def part_of(root: Path, symbol: str = "BTCUSDT", hour: int = 0) -> Path:
    (part,) = root.glob(f"venue=v/symbol={symbol}/date=*/hour={hour:02d}/*.parquet")
    return part


def rewrite(part: Path, table: pa.Table, *, forged: bool = False) -> None:
    """Replace what is in `part`; `forged` makes a sidecar that fits the new bytes."""
    inside = {key: value for key, value in pq.read_metadata(part).metadata.items() if key.startswith(b"aviary.")}
    pq.write_table(table.replace_schema_metadata(inside), part)
    if forged:
        forge(part)


def forge(part: Path, *, seal: bool = True) -> None:
    """Give `part`, changed by the test, a sidecar that fits its bytes; without `seal`, only as somebody would who has
    not read how a sidecar is made."""
    about = msgspec.structs.replace(read_sidecar(part), bytes=part.stat().st_size, sha256=file_sha256(part))
    sidecar_of(part).write_bytes(msgspec.json.encode(about.sealed() if seal else about))


def changed(column: str, values: dict[int, Any], *, forged: bool = False) -> Damage:
    """Other values in some rows of a column."""

    def damage(root: Path) -> None:
        part = part_of(root)
        table = pq.read_table(part)
        found = table[column].to_numpy().copy()
        for row, value in values.items():
            found[row] = value
        at = table.schema.get_field_index(column)
        rewrite(part, table.set_column(at, table.schema.field(at), pa.array(found)), forged=forged)

    return damage


def shuffled(root: Path, *, forged: bool = False) -> None:
    part = part_of(root)
    table = pq.read_table(part)
    order = np.arange(len(table))
    order[100:200] = np.random.default_rng(0).permutation(order[100:200])
    rewrite(part, table.take(order), forged=forged)


def foreign_rows(root: Path) -> None:
    """Ten of another symbol's rows in the middle."""
    part = part_of(root)
    table, other = pq.read_table(part), pq.read_table(part_of(root, "ETHUSDT"))
    rewrite(part, pa.concat_tables([table.slice(0, 500), other.slice(7, 10), table.slice(500)]))


def rows_twice(root: Path) -> None:
    part = part_of(root)
    table = pq.read_table(part)
    rewrite(part, pa.concat_tables([table.slice(0, 500), table.slice(480)]))


def rows_gone(root: Path) -> None:
    part = part_of(root)
    table = pq.read_table(part)
    rewrite(part, pa.concat_tables([table.slice(0, 500), table.slice(520)]))


def cut(bytes_left: Callable[[int], int]) -> Damage:
    def damage(root: Path) -> None:
        part = part_of(root)
        data = part.read_bytes()
        part.write_bytes(data[: bytes_left(len(data))])

    return damage


def flipped(at: Callable[[int], int]) -> Damage:
    def damage(root: Path) -> None:
        part = part_of(root)
        data = bytearray(part.read_bytes())
        data[at(len(data))] ^= 0x40
        part.write_bytes(data)

    return damage


def other_bytes(content: bytes) -> Damage:
    def damage(root: Path) -> None:
        part_of(root).write_bytes(content)

    return damage


def sidecar_says(**changes: object) -> Damage:
    def damage(root: Path) -> None:
        path = sidecar_of(part_of(root))
        path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))

    return damage


def sidecar_is(content: bytes) -> Damage:
    def damage(root: Path) -> None:
        sidecar_of(part_of(root)).write_bytes(content)

    return damage


def file_says(**changes: str) -> Damage:
    """Other metadata in the file itself, and a sidecar that fits its bytes."""

    def damage(root: Path) -> None:
        part = part_of(root)
        table = pq.read_table(part)
        inside = {**pq.read_metadata(part).metadata, **{f"aviary.{key}".encode(): v for key, v in changes.items()}}
        inside.pop(b"ARROW:schema", None)
        pq.write_table(table.replace_schema_metadata(inside), part)
        forge(part)

    return damage


def gone(*, symbol: str = "BTCUSDT", hour: int = 0, file: bool = True, sidecar: bool = True) -> Damage:
    def damage(root: Path) -> None:
        part = part_of(root, symbol, hour)
        if sidecar:
            sidecar_of(part).unlink()
        if file:
            part.unlink()

    return damage


def swapped(one: tuple[str, int], other: tuple[str, int], *, sidecars: bool) -> Damage:
    def damage(root: Path) -> None:
        pairs = [(part_of(root, *one), part_of(root, *other))]
        if sidecars:
            pairs.append((sidecar_of(pairs[0][0]), sidecar_of(pairs[0][1])))
        for first, second in pairs:
            kept = first.read_bytes()
            first.write_bytes(second.read_bytes())
            second.write_bytes(kept)

    return damage


def copied(*, sidecar: bool) -> Damage:
    def damage(root: Path) -> None:
        part = part_of(root)
        copy = part.with_stem(part.stem + "-copy")
        shutil.copy(part, copy)
        if sidecar:
            shutil.copy(sidecar_of(part), sidecar_of(copy))

    return damage


def other_columns(root: Path, *, forged: bool = False) -> None:
    part = part_of(root)
    table = pq.read_table(part)
    at = table.schema.get_field_index("flags")
    rewrite(part, table.set_column(at, "flags", table["flags"].cast(pa.int64())), forged=forged)


def more_columns(root: Path, *, forged: bool = False) -> None:
    part = part_of(root)
    table = pq.read_table(part)
    rewrite(part, table.append_column("note", pa.array(["x"] * len(table))), forged=forged)


def fewer_columns(root: Path) -> None:
    rewrite(part_of(root), pq.read_table(part_of(root)).drop_columns(["side"]))


def plain_rewrite(root: Path) -> None:
    """As somebody's script would: the same rows, without what the file says of itself."""
    pq.write_table(pq.read_table(part_of(root)).replace_schema_metadata(None), part_of(root))


def link_loop(root: Path) -> None:
    part = part_of(root)
    part.unlink()
    part.symlink_to(part.name)


def directory_loop(root: Path) -> None:
    hour = part_of(root).parent
    shutil.rmtree(hour)
    hour.symlink_to(hour.name)


def directory_instead(root: Path) -> None:
    part = part_of(root)
    part.unlink()
    part.mkdir()


def renamed_hour(root: Path) -> None:
    hour = part_of(root).parent
    hour.rename(hour.with_name("hour=0x"))


def moved_hour(root: Path) -> None:
    hour = part_of(root).parent
    hour.rename(hour.with_name("hour=07"))


def unreadable(root: Path) -> None:
    os.chmod(part_of(root), 0)


def no_clock(root: Path) -> None:
    shutil.rmtree(root / "venue=v" / "symbol=_CLOCK")


def no_first_hour(root: Path) -> None:
    for hour in list(root.glob("venue=v/symbol=*/date=*/hour=00")):
        shutil.rmtree(hour)


def another_price(root: Path) -> None:
    """A price that might be one, and size and hash in the sidecar made to fit."""
    changed("px", {300: 123.4})(root)
    forge(part_of(root), seal=False)


def shuffle_rows(part: Path, seed: int) -> None:
    try:
        table = pq.read_table(part)
        rewrite(part, table.take(np.random.default_rng(seed).permutation(len(table))))
    except (OSError, ValueError):
        return  # it is damaged already


def as_earlier_versions_wrote(part: Path) -> None:
    """Without what helps to repair it."""
    metadata = pq.read_metadata(part).metadata
    inside = {key: value for key, value in metadata.items() if key.startswith(b"aviary.") and b"stretches" not in key}
    pq.write_table(pq.read_table(part).replace_schema_metadata(inside), part)
    bare = msgspec.structs.replace(read_sidecar(part), stretches="", footer="", seal="")
    sidecar_of(part).write_bytes(msgspec.json.encode(bare))
    forge(part, seal=False)


def written_for(part: Path, table: pa.Table, *, instrument: int) -> None:
    """Rows of `table` as a part of another instrument, in which all fits."""
    about = msgspec.structs.replace(read_sidecar(part), instrument=instrument)
    inside = {**pq.read_metadata(part).metadata, b"aviary.instrument": str(instrument).encode()}
    inside.pop(b"ARROW:schema", None)
    pq.write_table(table.replace_schema_metadata(inside), part)
    sidecar_of(part).write_bytes(msgspec.json.encode(about))
    forge(part)
