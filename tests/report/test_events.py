from pathlib import Path

import pytest

from app.core.errors import BadInput
from app.report.events import event_line, read_events
from tests.report.factory import small_run


def test_messages_come_back_as_they_were_in_their_order(tmp_path: Path) -> None:
    messages = small_run()
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(event_line("exec:events:{main}", f"{n}-0", m) for n, m in enumerate(messages)))
    assert list(read_events(path)) == messages


def test_a_torn_last_line_is_passed_over_and_nothing_else_is(tmp_path: Path) -> None:
    first, second = (event_line("s", f"{n}-0", m) for n, m in enumerate(small_run()[:2]))
    path = tmp_path / "events.jsonl"
    path.write_bytes(first + second[:-5])
    assert list(read_events(path)) == small_run()[:1]
    path.write_bytes(first + second[:-5] + b"\n" + first)
    with pytest.raises(BadInput, match=r"events\.jsonl, line 2: "):
        list(read_events(path))


def test_an_unknown_message_is_an_error_that_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"stream":"s","entry":"1-0","message":{"type":"riddle","ts":1}}\n')
    with pytest.raises(BadInput, match=r"line 1: message cannot be decoded: .*riddle"):
        list(read_events(path))
