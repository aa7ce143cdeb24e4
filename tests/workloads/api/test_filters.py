"""List filters, orders and page tokens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.api import filters, ordering, paging
from workloads.api.errors import ApiError
from workloads.api.vertex import messages

ABOUT = messages.descriptor("google.cloud.aiplatform.v1.CustomJob")
JOB: dict[str, Any] = {
    "displayName": "Train flights",
    "state": "JOB_STATE_RUNNING",
    "labels": {"team": "ml", "a.b": "c"},
    "createTime": "2026-05-01T10:00:00Z",
    "jobSpec": {"experiment": "e", "workerPoolSpecs": [{"replicaCount": "1"}]},
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        'display_name="Train flights"',
        "displayName='Train flights'",
        'display_name = "Train*"',
        'display_name:"flights"',
        'display_name!="other"',
        "labels.team=ml",
        'labels."a.b"=c',
        "labels.team:*",
        "labels:team",
        "state=JOB_STATE_RUNNING",
        'state="JOB_STATE_RUNNING" AND labels.team="ml"',
        "state=JOB_STATE_FAILED OR state=JOB_STATE_RUNNING",
        "state!=JOB_STATE_FAILED labels.team=ml",
        "NOT state=JOB_STATE_FAILED",
        "-labels.team=web",
        "NOT (state=JOB_STATE_FAILED OR labels.team=web)",
        # OR binds tighter than AND in AIP-160
        "labels.team=ml AND state=JOB_STATE_FAILED OR state=JOB_STATE_RUNNING",
        'create_time>"2026-04-30T00:00:00Z" AND create_time<=2026-05-01T12:00:00+02:00',
        "create_time>2026-04-30",
        "job_spec.experiment=e",
        'error.message=""  OR display_name:*',
    ],
)
def test_accepts(text: str) -> None:
    """What Vertex' users write finds the job."""
    assert filters.parse(text, ABOUT)(JOB)


@pytest.mark.parametrize(
    "text",
    [
        'display_name="train flights"',
        "labels.team=web",
        "labels.other:*",
        "labels:other",
        "state=JOB_STATE_FAILED",
        "NOT labels.team=ml",
        'create_time<"2026-05-01T10:00:00Z"',
        'end_time>"2020-01-01T00:00:00Z"',
        "state=JOB_STATE_RUNNING AND labels.team=web",
    ],
)
def test_rejects(text: str) -> None:
    """What does not hold for the job does not find it; an unset time is after nothing."""
    assert not filters.parse(text, ABOUT)(JOB)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("display_name===", "stands instead of|should be|no value|unexpected|can't be read"),
        ("display_nam=x", "did you mean 'display_name'"),
        ("display_name", "ends where an operator"),
        ("display_name=", "ends where a value"),
        ("(state=JOB_STATE_FAILED", "ends where"),
        ("state=JOB_STATE_FAILED)", "unexpected"),
        ("state=JOB_STATE_RUNING", "did you mean 'JOB_STATE_RUNNING'"),
        ("create_time>yesterday", "no value for create_time"),
        ('display_name="open', "can't be read"),
        ("display_name.x=1", "has no fields"),
        ("=x", "field's name should be"),
        ("(" * 50 + "state=JOB_STATE_FAILED" + ")" * 50, "deep"),
        ("x" * 5000, "characters"),
    ],
)
def test_bad_filters(text: str, says: str) -> None:
    """A filter that can't be read is INVALID_ARGUMENT and says why."""
    with pytest.raises(ApiError, match=says) as caught:
        filters.parse(text, ABOUT)(JOB)
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "filter" in caught.value.message


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_an_argument_error(text: str) -> None:
    """No text makes the parser or the predicate fail in another way."""
    try:
        assert filters.parse(text, ABOUT)(JOB) in (True, False)
    except ApiError as error:
        assert error.status == "INVALID_ARGUMENT"  # noqa: PT017


def test_order() -> None:
    """Several keys, each its own direction; unset values come first when ascending."""
    rows: list[dict[str, Any]] = [
        {"displayName": "b", "createTime": "2026-01-01T00:00:00Z"},
        {"displayName": "a", "createTime": "2026-01-01T00:00:00Z"},
        {"displayName": "c", "createTime": "2026-01-02T00:00:00Z"},
        {"displayName": "d"},
    ]
    names = [row["displayName"] for row in ordering.parse("create_time desc, display_name", ABOUT)(rows)]
    assert names == ["c", "a", "b", "d"]
    assert ordering.parse("create_time", ABOUT)(rows)[0]["displayName"] == "d"


@pytest.mark.parametrize("text", ["display_name up", "nothing", "display_name,", ",", "create_time desc asc"])
def test_bad_orders(text: str) -> None:
    """An order that can't be read is INVALID_ARGUMENT."""
    with pytest.raises(ApiError, match="orderBy"):
        ordering.parse(text, ABOUT)


def test_page_tokens_fit_their_query_only() -> None:
    """A token comes back as it went out, and is refused by another query or when it is not ours."""
    token = paging.encode(("a", "b"), ["t", "n"])
    assert paging.decode(("a", "b"), token) == ["t", "n"]
    for query, text in ((("a", "c"), token), (("a", "b"), "zzz"), (("a", "b"), "e30="), (("a", "b"), "\udce9")):
        with pytest.raises(ApiError, match="page"):
            paging.decode(query, text)


def test_page_size() -> None:
    """Zero means the default, much means the most, less than zero is refused."""
    assert paging.size({}) == paging.DEFAULT_SIZE
    assert paging.size({"pageSize": 10**6}) == paging.MAX_SIZE
    with pytest.raises(ApiError, match="pageSize is -1"):
        paging.size({"pageSize": -1})
