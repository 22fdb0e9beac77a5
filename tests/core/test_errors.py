"""The tree of errors a caller can catch."""

import pytest

from app.core.errors import AviaryError, BadInput, Misconfigured, Rejected, Retryable, SchemaMismatch, Stale


def test_the_tree_is_as_drawn() -> None:
    assert [kind.__bases__ for kind in (Misconfigured, BadInput, Rejected, Stale, Retryable)] == [(AviaryError,)] * 5
    assert SchemaMismatch.__bases__ == (BadInput,)


@pytest.mark.parametrize(("kind", "reason"), [(BadInput, "bad_input"), (SchemaMismatch, "schema_mismatch")])
def test_a_reason_is_a_fixed_word_unless_given(kind: type[BadInput], reason: str) -> None:
    assert (kind("text").reason, kind("text", reason="other").reason) == (reason, "other")
    assert str(kind("text")) == "text"
