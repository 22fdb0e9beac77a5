"""The layout of an event row is on disk: changing it must be a conscious act."""

import numpy as np
import pytest

from app.core.errors import SchemaMismatch
from app.market import rows
from app.market.rows import EVENT
from app.market.schema import FIELDS, ROW_BYTES, SCHEMA, check_schema


def test_the_layout_is_the_one_archives_were_written_in() -> None:
    """If this fails, old archives and streams can no longer be read: write an importer for them first."""
    assert SCHEMA == "114a289f989420b6"
    assert {name: (EVENT.fields[name][0].str, EVENT.fields[name][1]) for name in EVENT.names or ()} == {
        "ts_event": ("<i8", 0),
        "ts_recv": ("<i8", 8),
        "px": ("<f8", 16),
        "qty": ("<f8", 24),
        "instrument": ("<u2", 32),
        "kind": ("|u1", 34),
        "side": ("|i1", 35),
        "flags": ("<u4", 36),
    }


def test_a_row_has_no_gaps() -> None:
    assert EVENT.itemsize == ROW_BYTES == sum(np.dtype(kind).itemsize for _name, kind in FIELDS)


def test_numbers_on_disk_keep_their_meaning() -> None:
    kinds = ("DEPTH_SET", "DEPTH_CLEAR", "TRADE", "MARK", "FUNDING", "CLOCK", "QUOTE", "INDEX")
    assert [getattr(rows, kind) for kind in kinds] == list(rows.KINDS) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (rows.LAST, rows.SNAPSHOT, rows.REPAIRED, rows.LOST) == (1, 2, 4, 8)


def test_each_flag_has_a_bit_of_its_own() -> None:
    flags = (rows.LAST, rows.SNAPSHOT, rows.REPAIRED, rows.LOST, rows.VENUE_ONLY, rows.VIEW_ONLY)
    assert all(flag.bit_count() == 1 for flag in flags)
    assert sum(flags) == (1 << len(flags)) - 1


def test_a_row_s_bytes_are_fixed() -> None:
    row = rows.empty(1)
    row[0] = (1_700_000_000_000_000_001, 1_700_000_000_000_000_002, 65_000.5, 0.25, 7, rows.TRADE, -1, rows.LAST)
    assert (
        rows.to_block(row).hex() == "01002a36fe9c971702002a36fe9c97170000000010bdef40000000000000d03f070003ff01000000"
    )


def test_another_layout_is_refused_with_the_remedy() -> None:
    check_schema(SCHEMA, where="here")
    with pytest.raises(
        SchemaMismatch,
        match=rf"^old\.parquet was written under row schema 'abc', this program reads '{SCHEMA}'; "
        r"re-import it with this version$",
    ) as caught:
        check_schema("abc", where="old.parquet")
    assert caught.value.reason == "schema_mismatch"
