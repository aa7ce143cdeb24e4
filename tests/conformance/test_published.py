"""The published table."""

from tests.conformance.published import FILE, document


def test_the_table_is_current() -> None:
    """docs/BACKENDS.md says what this suite proves; `python -m tests.conformance.published` rewrites it."""
    assert FILE.read_text(encoding="utf-8") == document()
