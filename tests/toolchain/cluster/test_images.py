"""Images written without an engine."""

import hashlib
import json
import tarfile
from pathlib import Path

from toolchain.cluster import images


def test_an_archive_names_what_is_in_it(tmp_path: Path) -> None:
    """Configs and layers are there under their own digests, as an engine that loads it will check."""
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    images.archive({"localhost/cairn/pause:1": program}, "arm64", tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
        (entry,) = json.loads(content["manifest.json"])
        assert entry["RepoTags"] == ["localhost/cairn/pause:1"]
        config = json.loads(content[entry["Config"]])
        assert config["architecture"] == "arm64"
        assert config["config"]["Entrypoint"] == ["/pause"]
        layer = content[entry["Layers"][0]]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
