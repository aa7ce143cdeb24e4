"""Groups' names, hosts and buckets."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.controllers import config
from workloads.plans import names
from workloads.plans.container import NAME_PATTERN, ContainerSpec, Group, Resources


def test_group_name() -> None:
    """Plain parts are joined; what is no DNS label, or too long, ends in a hash that tells it from its likes."""
    assert names.group_name("job", "123", 0, 1) == "job-123-0-1"
    assert names.group_name("model", "Mine_1") != names.group_name("model", "mine-1")
    long = [names.group_name("model", "x" * 80 + end) for end in "ab"]
    assert long[0] != long[1]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_group_of_any_name_can_be_made(parts: list[str]) -> None:
    """Whatever the ids are, the engines accept the replicas' names, and they are the same every time."""
    name = names.group_name("c", *parts)
    thousandth = Group(ContainerSpec(name, "i", Resources(1, 1)), 1000).container(999)
    assert NAME_PATTERN.match(thousandth.name)
    assert name == names.group_name("c", *parts)


def test_host() -> None:
    """A container's name, below the domain where the engine has one for replicas."""
    assert names.host("job-1-0-0-0", config()) == "job-1-0-0-0"
    assert names.host("job-1-0-0-0", config(replica_domain="workloads")) == "job-1-0-0-0.workloads"


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
