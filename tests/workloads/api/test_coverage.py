"""docs/COVERAGE.md."""

from workloads.api import coverage


def test_page_is_current() -> None:
    """The committed page is what the descriptors and the handlers say."""
    assert coverage.COVERAGE.read_text(encoding="utf-8") == coverage.render(), "run python -m workloads.api.coverage"


def test_every_handler_is_a_method() -> None:
    """The page counts only what Vertex AI has, and both versions of it."""
    page = coverage.render()
    assert "| JobService.CreateCustomJob | v1, v1beta1 | `POST /projects/*/locations/*/customJobs` |" in page
    assert "**TensorboardService** (0 of" in page
