"""Container names and buckets."""

from hypothesis import given
from hypothesis import strategies as st

from workloads.plans import names
from workloads.plans.container import NAME_PATTERN


def test_container_name() -> None:
    """Plain parts are joined; what is no DNS label, or too long, ends in a hash that tells it from its likes."""
    assert names.container_name("job", "123", 0, 1, 2) == "job-123-0-1-2"
    assert names.container_name("model", "Mine_1") != names.container_name("model", "mine-1")
    long = [names.container_name("model", "x" * 80 + end) for end in "ab"]
    assert long[0] != long[1]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_container_name_is_always_a_dns_label(parts: list[str]) -> None:
    """Whatever the ids are, the engines accept the name, and it is the same every time."""
    name = names.container_name("c", *parts)
    assert NAME_PATTERN.match(name)
    assert name == names.container_name("c", *parts)


def test_buckets() -> None:
    """Every bucket named as gs://, s3:// or /gcs/ anywhere in a message, and nothing else."""
    message = {
        "a": ["gs://one/x", {"b": "cp s3://two/y /gcs/three/z && cat gs://one/q"}],
        "path": "/gcs/Bad /gcs/.. gs://a gs://a..b/x https://nope.example/gs",
        "quoted": "open('/gcs/four.with-dots_1/x'); x=\"gs://five\"",
    }
    assert names.buckets(message, "staging", "") == ("five", "four.with-dots_1", "one", "staging", "three", "two")


def test_bucket_of() -> None:
    """The bucket of a URI; nothing for what is none."""
    assert names.bucket_of("gs://models/m/1") == "models"
    assert names.bucket_of("s3://models") == "models"
    assert names.bucket_of("") == names.bucket_of("http://x/y") == names.bucket_of("gs://../x") == ""


def test_is_bucket() -> None:
    """What may become the name of a folder."""
    assert names.is_bucket("a-b.c_1")
    assert not any(map(names.is_bucket, ["", "ab", "../x", "a..b", "A-b", "a/b", "-ab", "abc-", "a" * 64, "abc\n"]))


def test_resource_id() -> None:
    """The last segment."""
    assert names.resource_id("projects/p/locations/l/customJobs/5") == "5"
