"""Images built from this repository on this machine's Docker engine, for every backend: content-addressed tags.

The tag is a hash of what the build sees (paths, bytes, executable bits, arguments): the same on every machine, and only
changed sources make a new one. The build gets a folder with just these files, so nothing else leaks in.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.backends.base import ImageSpec

ROOT: Final = Path(__file__).resolve().parents[2]
CONTEXTS: Final = ROOT / ".cairn" / "contexts"
KEPT_S: Final = 24 * 3600
IGNORED: Final = frozenset({"__pycache__", ".DS_Store", ".mypy_cache", ".ruff_cache"})


def files(spec: ImageSpec, root: Path = ROOT) -> dict[str, Path]:
    """What the build sees: path in the context → file, sorted.

    Raises:
        FileNotFoundError: a source does not exist; names the image and the path.
    """
    found: dict[str, Path] = {}
    for source in (spec.dockerfile, *spec.sources):
        path = root / source
        if not path.exists():
            raise FileNotFoundError(f"image {spec.name!r} needs {source}, which is not in {root}")
        found.update({str(each.relative_to(root)): each for each in _walk(path)})
    return dict(sorted(found.items()))


def _walk(path: Path) -> Iterator[Path]:
    """The file, or the files below the folder, without caches."""
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in IGNORED]
        yield from (Path(folder) / name for name in names if name not in IGNORED and not name.endswith(".pyc"))


def content_hash(context: Mapping[str, Path], args: Mapping[str, str]) -> str:
    """16 hex digits that change when the files, their executable bits or the arguments do."""
    digest = hashlib.sha256(repr(sorted(args.items())).encode())
    for name, path in context.items():
        content = path.read_bytes()
        digest.update(f"\0{name}\0{int(_executable(path))}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def stage(name: str, tag: str, context: Mapping[str, Path], contexts: Path) -> Path:
    """A folder with just these files; made once per tag and put in place in one step, since stacks may share it."""
    target = contexts / f"{name}-{tag}"
    if target.is_dir():
        return target
    contexts.mkdir(parents=True, exist_ok=True)
    _forget_old(name, contexts)
    draft = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=contexts))
    for relative, path in context.items():
        copy = draft / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o755 if _executable(path) else 0o644)
    draft.chmod(0o755)
    try:
        draft.rename(target)
    except OSError:  # another program staged the same files first
        shutil.rmtree(draft)
    return target


def _forget_old(name: str, contexts: Path) -> None:
    """Remove the image's contexts of days ago: no build of theirs is still running."""
    for folder in contexts.glob(f"{name}-*"):
        if time.time() - folder.stat().st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Images:
    """The images of one stack, each built once: kinds that share one share the resource of the first that asked.

    Attributes:
        prefix: of every reference: "cairn" for the local engine, or a registry with a folder.
        push: to that registry, with the logins that the engine's client keeps.
    """

    base_image: str
    prefix: str = "cairn"
    push: bool = False
    _built: dict[str, tuple[str, docker.Image]] = field(default_factory=dict)

    def get(self, spec: ImageSpec, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """The content-addressed reference: known in previews already, and yet whoever uses it comes after the image."""
        if spec.name not in self._built:
            self._built[spec.name] = _build(spec, self, opts)
        reference, image = self._built[spec.name]
        return image.urn.apply(lambda _: reference)


def _build(spec: ImageSpec, images: Images, opts: pulumi.ResourceOptions) -> tuple[str, docker.Image]:
    """The pinned reference and the resource that builds it."""
    args = {"BASE_IMAGE": images.base_image, **spec.args}
    context = files(spec)
    tag = content_hash(context, args)
    folder = os.path.relpath(stage(spec.name, tag, context, CONTEXTS))  # relative: no machine's path ends in the state
    reference = f"{images.prefix}/{spec.name}:{tag}"
    image = docker.Image(
        spec.name,
        image_name=reference,
        skip_push=not images.push,
        build=docker.DockerBuildArgs(
            context=folder,
            dockerfile=f"{folder}/{spec.dockerfile}",
            args=args,
            builder_version=docker.BuilderVersion.BUILDER_V1,
        ),
        opts=opts,
    )
    return reference, image
