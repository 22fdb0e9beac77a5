from app.report.compare import SHOWN, compare_records
from app.report.records import canonical_records
from tests.report.factory import fill, order, small_run, trade


def test_the_same_records_in_any_order_are_equal() -> None:
    records = canonical_records(small_run())
    found = compare_records(records, records[::-1])
    assert found.equal
    assert (found.first, found.second, found.differences, found.by_type) == (10, 10, 0, {})


def test_what_one_side_has_more_of_is_counted_and_shown() -> None:
    left = canonical_records([fill(1, "100"), order(1, "filled"), trade(1, "100", "101")])
    right = canonical_records([fill(1, "100.5"), order(1, "filled"), order(1, "filled"), trade(1, "100", "101")])
    found = compare_records(left, right)
    assert not found.equal
    assert (found.differences, found.by_type) == (3, {"fill": 2, "order": 1})
    assert '"px":"100"' in found.only_first[0]
    assert len(found.only_second) == 2


def test_only_a_few_are_shown() -> None:
    found = compare_records(canonical_records([fill(n, "100") for n in range(50)]), [])
    assert (found.differences, len(found.only_first)) == (50, SHOWN)
