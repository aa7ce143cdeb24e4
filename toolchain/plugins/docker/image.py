"""docker:index/image:Image: builds an image with the engine's classic builder, and pushes it unless told not to.

As with the official provider an image stays on the engine when its resource is deleted (it is the next build's
cache), and `repoDigest` is the image's id where it was not pushed. Nothing is built in a preview, with
`buildOnPreview` either.
"""

import fcntl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from toolchain.plugins.common.resource import Call, Created, Found, ProviderError, Resource
from toolchain.plugins.common.table import Kind, Problem, Property
from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, has_unknown, plain
from toolchain.plugins.docker.build_context import BuildContext, build_context
from toolchain.plugins.docker.engine import Engine, doing
from toolchain.plugins.docker.images import POLL_SECONDS, inspect_image, until_cancelled

DIGEST = "contextDigest"
BUILD_FIELDS = f"addHosts args builderVersion cacheFrom context {DIGEST} dockerfile network platform target"
TABLE = {
    "imageName": Property(Kind.STRING, replaces=False, required=True),
    "build": Property(Kind.OBJECT, replaces=False, ordered=True, fields=frozenset(BUILD_FIELDS.split())),
    "buildOnPreview": Property(Kind.BOOLEAN, replaces=False, default=False),
    "registry": Property(
        Kind.OBJECT,
        replaces=False,
        fields=frozenset({"server", "username", "password"}),
        secret=frozenset({"password"}),
        # Logins change often and build nothing else.
        uncompared=frozenset({"username", "password"}),
    ),
    "skipPush": Property(Kind.BOOLEAN, replaces=False, default=False),
}
COMPUTED = ("baseImageName", "context", "dockerfile", "platform", "registryServer", "repoDigest")
OUTPUT_LINES = 30


class Image(Resource):
    """An image built here; its id is its name."""

    token = "docker:index/image:Image"
    table = TABLE
    computed = COMPUTED
    changing = frozenset(COMPUTED)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def problems(self, inputs: Properties) -> list[Problem]:
        """BuildKit needs a session that docker-py does not speak."""
        build = inputs.get("build", {})
        if build is not UNKNOWN and build.get("builderVersion") == "BuilderBuildKit":
            reason = (
                "Cairn's docker plugin builds with BuilderV1 only; leave builderVersion out or use the official plugin"
            )
            return [Problem("build.builderVersion", reason)]
        return []

    def prepare(self, inputs: Properties) -> Properties:
        """Add the digest of the context, so that changed files are a difference."""
        build = plain(inputs.get("build", {}))
        if build is UNKNOWN or has_unknown([build.get("context"), build.get("dockerfile")]):
            return inputs
        digest = {DIGEST: _context(build).digest()}
        declared = inputs.get("build", {})
        marked = Secret({**declared.value, **digest}) if isinstance(declared, Secret) else {**declared, **digest}
        return {**inputs, "build": marked}

    def create(self, call: Call, inputs: Properties) -> Created:
        """Build, and push."""
        return Created(inputs["imageName"], self._build_and_push(call, inputs))

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The image is gone when the engine has none of that name; an import can't know how it was built."""
        name = inputs.get("imageName", identifier)
        image = inspect_image(self._engine, name)
        if image is None:
            return None
        if not inputs:
            return Found(name, {"imageName": name}, {"baseImageName": name, "repoDigest": image["Id"]})
        pushed = not inputs.get("skipPush", False)
        return Found(identifier, inputs, {} if pushed else {"repoDigest": image["Id"]})

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Build anew; unchanged steps come from the engine's cache."""
        return self._build_and_push(call, new)

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Leave the image where it is."""

    def _build_and_push(self, call: Call, inputs: Properties) -> Properties:
        build, name = inputs.get("build", {}), inputs["imageName"]
        context = _context(build)
        self._build(call, name, build, context)
        image = inspect_image(self._engine, name)
        if image is None:
            raise ProviderError(f"the image {name} was built but the engine does not have it")
        registry = inputs.get("registry", {})
        digest = image["Id"] if inputs.get("skipPush", False) else self._push(call, name, registry)
        return {
            "baseImageName": name,
            "imageName": name,
            "context": build.get("context", "."),
            "dockerfile": context.dockerfile_name,
            "platform": build.get("platform") or f"{image['Os']}/{image['Architecture']}",
            "registryServer": registry.get("server", ""),
            "repoDigest": digest,
        }

    def _build(self, call: Call, name: str, build: dict[str, Any], context: BuildContext) -> None:
        step, lines = "the first step", deque[str](maxlen=OUTPUT_LINES)
        with _alone(call, name, context), context.archive() as archive, doing(f"build the image {name}"):
            stream = self._engine.client().build(
                fileobj=archive,
                custom_context=True,
                dockerfile=context.dockerfile_name,
                tag=name,
                decode=True,
                rm=True,
                forcerm=True,
                **_options(build),
            )
            for message in until_cancelled(call, stream, f"building {name}"):
                text = str(message.get("stream", "")).rstrip()
                if text.startswith("Step "):
                    step, lines = text, deque(maxlen=OUTPUT_LINES)
                    call.status(text)
                elif text:
                    lines.append(text)
                if "error" in message:
                    output = "\n".join(lines) or "the step printed nothing"
                    raise ProviderError(f"building {name} failed at {step}: {message['error']}\n{output}")

    def _push(self, call: Call, name: str, registry: dict[str, str]) -> str:
        call.status(f"pushing {name}")
        own = {"username": registry["username"], "password": registry["password"]} if "username" in registry else None
        digest = ""
        with doing(f"push the image {name}"), self._engine.patient() as client:
            stream = client.push(name, stream=True, decode=True, auth_config=own or self._engine.registry_auth(name))
            for message in until_cancelled(call, stream, f"pushing {name}"):
                if "error" in message:
                    raise ProviderError(f"pushing {name} failed: {message['error']}")
                digest = message.get("aux", {}).get("Digest", digest)
        repository, _, tag = name.rpartition(":")
        return f"{name if '/' in tag or not repository else repository}@{digest}"


@contextmanager
def _alone(call: Call, name: str, context: BuildContext) -> Iterator[None]:
    """One build of a Dockerfile at a time: two at once would both do all the work, the second finds it in the cache."""
    with context.dockerfile.open("rb") as file:
        if not _locked(file):
            call.status(f"waiting for another build of {context.dockerfile}")
        while not _locked(file):
            if call.cancelled.wait(POLL_SECONDS):
                raise ProviderError(f"interrupted while waiting to build {name}; nothing of it is kept")
        yield


def _locked(file: IO[bytes]) -> bool:
    """Whether it is ours to build; also where the file system has no locks: then both do the work."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _context(build: dict[str, Any]) -> BuildContext:
    return build_context(build.get("context", "."), build.get("dockerfile"))


def _options(build: dict[str, Any]) -> dict[str, Any]:
    cache = build.get("cacheFrom", {}).get("images")
    hosts = dict(entry.split(":", 1) for entry in build.get("addHosts", []))
    options = {
        "buildargs": build.get("args"),
        "target": build.get("target"),
        "network_mode": build.get("network"),
        "platform": build.get("platform"),
        "cache_from": cache,
        "extra_hosts": hosts or None,
    }
    return {name: value for name, value in options.items() if value is not None}
