"""Secrets are files, never environment: that shows in `docker inspect`, in crash reports and in every child process.

Nor are they arguments, labels, annotations or ConfigMaps, which show even more widely.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from policies.reading import docker, kubernetes
from policies.reading.resources import is_kubernetes, workload
from policies.reading.workloads import KUBERNETES, Properties, Workload, known
from policies.rules.making import Check, Config, resource_rule, texts
from workloads import contract

SUSPICIOUS: Final = re.compile(
    r"(PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?"
    r"|(API|ACCESS|PRIVATE|SIGNING|SECRET|ENCRYPTION)[-_.]?KEY([-_.]?ID)?)$",
    re.IGNORECASE,
)
LOGIN_IN_URL: Final = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
JWT: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# A line of a settings file that gives a plain value: NAME=value, name: "value".
LINE: Final = re.compile(
    r"""^\s*(?:export\s+)?["']?([\w.-]+)["']?\s*[=:]\s*["']?([^\s"'$<{(\[]+)["']?\s*,?\s*$""", re.MULTILINE
)
REMEDY: Final = f"write it to a file under {contract.SECRETS_DIR} instead"
REMEDIES: Final = {KUBERNETES: f"{REMEDY} (a volume of type secret)"}


def no_plain_secrets(resource_type: str, props: Properties, config: Config) -> Iterator[str]:
    """Nothing that people and programs can read at will is named like a secret or looks like one. None is shown."""
    found = workload(resource_type, props)
    if found:
        remedy = REMEDIES.get(found.backend, f"{REMEDY} (uploads)")
        yield from (f"has a secret in {where}; {remedy}" for where in _in_workload(found, config))
    for place, values in _metadata(resource_type, props).items():
        for name in _named(values, config):
            yield f"has a secret in the {place} {name}; remove it, everybody who may look sees it"
    if kubernetes.is_a(resource_type, "core", "ConfigMap"):
        for name in _in_files(known(props.get("data")), config):
            yield f"has a secret in {name} of its data; move it to a Secret, mounted under {contract.SECRETS_DIR}"


def _metadata(resource_type: str, props: Properties) -> dict[str, dict[str, str]]:
    if not is_kubernetes(resource_type):
        return {"label": docker.labels_of(props)}
    return {"label": kubernetes.labels_of(props), "annotation": kubernetes.annotations_of(props)}


def _in_workload(found: Workload, config: Config) -> Iterator[str]:
    for container in found.containers:
        for name in _named(container.environment, config):
            yield f"the environment variable {name}{_of(container.place)}"
        for name in _from_secrets(container.props) if found.backend == KUBERNETES else ():
            yield f"the environment variable {name}{_of(container.place)}"
        for name in _in_arguments(container.arguments, config):
            yield f"the argument {name}{_of(container.place)}"
    for name in _named(found.annotations, config):
        yield f"the pod's annotation {name}"


def _of(place: str) -> str:
    return f" of {place.strip()}" if place else ""


def _named(values: Mapping[str, str], config: Config) -> Iterator[str]:
    """Names whose value is a secret."""
    for name in values:
        if name not in config["allowedNames"] and _is_secret(name, str(values[name] or "")):
            yield name


def _is_secret(name: str, value: str) -> bool:
    """By the name, unless the value is the path of a secret's file; or by the value."""
    named = SUSPICIOUS.search(name) and value and not value.startswith(f"{contract.SECRETS_DIR}/")
    return bool(named or _looks_secret(value))


def _looks_secret(value: str) -> bool:
    return any(pattern.search(value) for pattern in (LOGIN_IN_URL, JWT, PRIVATE_KEY))


def _in_arguments(words: Sequence[str], config: Config) -> Iterator[str]:
    """Options, settings and words that are a secret; a word by its place."""
    for name, value in _arguments(words):
        if name.lstrip("-") not in config["allowedNames"] and _is_secret(name, value):
            yield name


def _arguments(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every value with the option that it belongs to, else with its place: --name=value, --name value, NAME=value."""
    option = ""
    for place, word in enumerate(words, 1):
        name, given, value = word.partition("=")
        if word.startswith("-") or (given and name.isidentifier()):
            if given:
                yield name, value
            option = "" if given else name
        else:
            yield option or str(place), word
            option = ""


def _from_secrets(container: Properties) -> Iterator[str]:
    """Variables that Kubernetes itself fills from a Secret."""
    for each in container.get("env") or ():
        if kubernetes.section(each, "valueFrom").get("secretKeyRef"):
            yield str(each["name"])
    for each in container.get("envFrom") or ():
        if each.get("secretRef"):
            yield f"{each.get('prefix') or ''}*"


def _in_files(data: Mapping[str, str], config: Config) -> Iterator[str]:
    """Entries of a ConfigMap that are a secret, or have a line with one."""
    for name in data:
        lines = dict(LINE.findall(str(data[name])))
        if list(_named({name: data[name]}, config)) or list(_named(lines, config)):
            yield name


def _check(resource_type: str) -> Check | None:
    seen = resource_type in docker.LABELLED or is_kubernetes(resource_type)
    return partial(no_plain_secrets, resource_type) if seen else None


RULES: Final = (
    resource_rule(
        "no-plain-secrets",
        "No secrets in environment variables, arguments, labels, annotations or ConfigMaps.",
        _check,
        config={"allowedNames": texts([], "variables that only look like secrets")},
    ),
)
