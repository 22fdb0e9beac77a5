import hashlib
import json
import random

from app.report.records import canonical_records, records_digest
from tests.report.factory import small_run


def test_only_money_records_are_kept_sorted_by_time_type_and_id() -> None:
    records = [json.loads(line) for line in canonical_records(small_run())]
    keys = [(r["ts"], r["type"], r.get("order_id") or r.get("fill_id") or r["signal_id"]) for r in records]
    assert [record["type"] for record in records].count("order") == 6
    assert {record["type"] for record in records} == {"order", "fill", "trade"}
    assert [key[:2] for key in keys] == sorted(key[:2] for key in keys)


def test_the_order_of_recording_does_not_show(seed: int) -> None:
    messages = small_run()
    expected = canonical_records(messages)
    for _ in range(20):
        random.Random(seed).shuffle(messages)
        assert canonical_records(messages) == expected


def test_any_change_of_a_record_changes_the_digest() -> None:
    records = canonical_records(small_run())
    digests = {records_digest(records), records_digest(records[:-1]), records_digest(records[::-1])}
    changed = [records[0].replace(b'"100"', b'"100.0"'), *records[1:]]
    assert changed != records
    assert len(digests | {records_digest(changed)}) == 4


def test_the_digest_is_that_of_the_file_the_records_are_written_to() -> None:
    records = canonical_records(small_run())
    assert records_digest(records) == hashlib.sha256(b"".join(line + b"\n" for line in records)).hexdigest()
