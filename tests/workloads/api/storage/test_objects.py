"""Objects through Google's own client: metadata, preconditions, copies, compositions; boto3 sees the same ones."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from google.cloud import storage
from mypy_boto3_s3 import S3Client

HELLO_CRC32C = "mnG7TA=="
HELLO_MD5 = "XUFAKrxLKna5cZ2REBfFkg=="


def test_an_object_keeps_all_that_it_was_given(bucket: storage.Bucket) -> None:
    """Content, hashes, content type and metadata of any case and script come back as they went in."""
    blob = bucket.blob("a/b ü+%2F.txt")
    blob.metadata = {"plain": "v", "Mixed-Case": "V", "umlaut": "Ü 你"}
    blob.cache_control, blob.content_language, blob.content_disposition = "no-store", "de", "inline"
    blob.upload_from_string(b"hello", content_type="text/plain")
    found = bucket.get_blob("a/b ü+%2F.txt")
    assert found.download_as_bytes() == b"hello"
    assert (found.crc32c, found.md5_hash, found.size) == (HELLO_CRC32C, HELLO_MD5, 5)
    assert found.metadata == {"plain": "v", "Mixed-Case": "V", "umlaut": "Ü 你"}
    assert (found.content_type, found.cache_control, found.content_language) == ("text/plain", "no-store", "de")
    assert found.content_disposition == "inline"
    assert found.generation == blob.generation
    assert found.metageneration == 1
    assert found.time_created is not None


def test_boto3_sees_the_same_object(bucket: storage.Bucket, boto: S3Client) -> None:
    """What Google's client writes boto3 reads, metadata too, and the other way round."""
    blob = bucket.blob("x/y")
    blob.metadata = {"key": "value"}
    blob.upload_from_string(b"hello", content_type="text/csv")
    seen = boto.get_object(Bucket=bucket.name, Key="x/y")
    assert (seen["Body"].read(), seen["ContentType"], seen["Metadata"]["key"]) == (b"hello", "text/csv", "value")
    boto.put_object(Bucket=bucket.name, Key="z", Body=b"from boto3", Metadata={"who": "boto3"})
    other = bucket.get_blob("z")
    assert (other.download_as_bytes(), other.metadata) == (b"from boto3", {"who": "boto3"})


def test_patch_changes_metadata_and_keeps_content(bucket: storage.Bucket) -> None:
    """A patch adds and removes keys, counts the metageneration and leaves generation, content and hashes alone."""
    blob = bucket.blob("p")
    blob.metadata = {"keep": "1", "drop": "2"}
    blob.upload_from_string(b"hello", content_type="text/plain")
    generation = blob.generation
    blob.metadata = {"drop": None, "New": "3"}
    blob.content_type = "text/markdown"
    blob.patch()
    found = bucket.get_blob("p")
    assert found.metadata == {"keep": "1", "New": "3"}
    assert (found.content_type, found.generation, found.metageneration) == ("text/markdown", generation, 2)
    assert (found.download_as_bytes(), found.crc32c) == (b"hello", HELLO_CRC32C)


def test_update_replaces_metadata(bucket: storage.Bucket) -> None:
    """An update makes the properties those of the body, nothing of the old ones stays."""
    blob = bucket.blob("p")
    blob.metadata = {"old": "1"}
    blob.upload_from_string(b"hello", content_type="text/plain")
    blob.metadata = {"new": "2"}
    blob.update()
    assert bucket.get_blob("p").metadata == {"new": "2"}


def test_settings_without_effect_are_refused(bucket: storage.Bucket) -> None:
    """What this store can't do is a 400 that says so: public access, holds, storage classes."""
    blob = bucket.blob("p")
    blob.upload_from_string(b"hello")
    blob.temporary_hold = True
    with pytest.raises(exceptions.BadRequest, match="holds"):
        blob.patch()
    with pytest.raises(exceptions.BadRequest, match="nothing is public"):
        bucket.blob("q").upload_from_string(b"x", predefined_acl="publicRead")
    with pytest.raises(exceptions.BadRequest, match="NEARLINE"):
        bucket.blob("p").update_storage_class("NEARLINE")


def test_delete(bucket: storage.Bucket) -> None:
    """A deleted object is gone, and deleting it again is a 404."""
    blob = bucket.blob("d/e")
    blob.upload_from_string(b"x")
    blob.delete()
    assert not blob.exists()
    with pytest.raises(exceptions.NotFound):
        blob.delete()


def test_generation_preconditions(bucket: storage.Bucket) -> None:
    """if_generation_match guards create, overwrite, read and delete; a new content is a new generation."""
    blob = bucket.blob("g")
    blob.upload_from_string(b"1", if_generation_match=0)
    first = blob.generation
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("g").upload_from_string(b"2", if_generation_match=0)
    blob.upload_from_string(b"2", if_generation_match=first)
    assert blob.generation != first
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string(b"3", if_generation_match=first)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=first)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.download_as_bytes(if_generation_match=first)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("g", generation=first).download_as_bytes()
    assert bucket.blob("g", generation=blob.generation).download_as_bytes() == b"2"


def test_metageneration_precondition(bucket: storage.Bucket) -> None:
    """if_metageneration_match holds only until the next patch."""
    blob = bucket.blob("m")
    blob.upload_from_string(b"1")
    blob.metadata = {"a": "1"}
    blob.patch(if_metageneration_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_metageneration_match=1)


def test_only_one_of_many_creates_wins(bucket: storage.Bucket) -> None:
    """Of eight writers at once that all demand that the object does not exist yet, exactly one succeeds."""

    def write(number: int) -> bool:
        try:
            bucket.blob("race").upload_from_string(str(number), if_generation_match=0)
        except exceptions.PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_copy_and_rewrite(bucket: storage.Bucket) -> None:
    """A copy has the content, hashes and properties of its source, or new properties when they are given."""
    blob = bucket.blob("from")
    blob.metadata = {"Key": "1"}
    blob.upload_from_string(b"hello", content_type="text/plain")
    copied = bucket.copy_blob(blob, bucket, "to")
    assert (copied.metadata, copied.content_type, copied.crc32c) == ({"Key": "1"}, "text/plain", HELLO_CRC32C)
    assert copied.download_as_bytes() == b"hello"
    target = bucket.blob("rewritten")
    target.content_type, target.metadata = "text/html", {"other": "2"}
    assert target.rewrite(blob) == (None, 5, 5)
    target.reload()
    assert (target.content_type, target.metadata) == ("text/html", {"other": "2"})
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.copy_blob(blob, bucket, "to", if_generation_match=0)


def test_rename(bucket: storage.Bucket) -> None:
    """rename_blob moves content."""
    blob = bucket.blob("old")
    blob.upload_from_string(b"hello")
    renamed = bucket.rename_blob(blob, "new/name")
    assert renamed.download_as_bytes() == b"hello"
    assert not bucket.blob("old").exists()


def test_compose(bucket: storage.Bucket) -> None:
    """Compose joins small and large sources in order, with a checksum that holds for the whole."""
    parts = [b"a" * 10, b"b" * 3_000_000, b"c"]
    for number, part in enumerate(parts):
        bucket.blob(f"part{number}").upload_from_string(part, content_type="text/plain")
    whole = bucket.blob("whole")
    whole.compose([bucket.blob(f"part{number}") for number in range(3)])
    assert whole.download_as_bytes(checksum="crc32c") == b"".join(parts)
    assert whole.content_type == "text/plain"
    with pytest.raises(exceptions.NotFound):
        whole.compose([bucket.blob("part0"), bucket.blob("missing")])


def test_folders_and_objects_can_not_share_a_name(bucket: storage.Bucket) -> None:
    """X and x/y can't both be: the second is a 400 that says why, and the first is unharmed."""
    bucket.blob("x").upload_from_string(b"file")
    with pytest.raises(exceptions.BadRequest, match="can't both exist"):
        bucket.blob("x/y").upload_from_string(b"below")
    bucket.blob("d/e").upload_from_string(b"below")
    with pytest.raises(exceptions.BadRequest, match="can't both exist"):
        bucket.blob("d").upload_from_string(b"file")
    assert bucket.blob("x").download_as_bytes() == b"file"
    assert bucket.blob("d/e").download_as_bytes() == b"below"


def test_a_folder_placeholder(bucket: storage.Bucket) -> None:
    """An empty object whose name ends in a slash can be made; one with content is a 400."""
    bucket.blob("folder/").upload_from_string(b"")
    assert bucket.blob("folder/").exists()
    with pytest.raises(exceptions.BadRequest, match="only be empty"):
        bucket.blob("other/").upload_from_string(b"content")
