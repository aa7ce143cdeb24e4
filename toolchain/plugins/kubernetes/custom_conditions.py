"""The annotation pulumi.com/waitFor: `condition=Ready`, `jsonpath={.status.phase}=Running`, or a JSON list of such."""

import json
import re
from functools import partial
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.objects import WAIT_FOR, annotation, dig
from toolchain.plugins.kubernetes.readiness import READY, Check, Verdict, condition

CONDITION = re.compile(r"condition=([^=]+)(?:=(.+))?")
JSONPATH = re.compile(r"jsonpath=\{((?:\.[\w-]+|\[\d+\]|\['[^']+'\])+)\}(?:=(.+))?")
STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]")


def custom_check(inputs: Properties) -> Check | None:
    """What the program says to wait for, None when it says nothing; ProviderError when it can't be understood."""
    text = annotation(inputs, WAIT_FOR)
    if not text:
        return None
    wanted = [_parsed(expression) for expression in _expressions(text)]

    def check(obj: Properties, cluster: Cluster) -> Verdict:
        return next((verdict for one in wanted if not (verdict := one(obj, cluster)).ready), READY)

    return check


def _expressions(text: str) -> list[str]:
    try:
        several = json.loads(text)
    except ValueError:
        return [text]
    if not isinstance(several, list) or not several:
        raise ProviderError(f"{WAIT_FOR}: this has to be one expression or a JSON list of some, not {text}")
    return [str(one) for one in several]


def _parsed(expression: str) -> Check:
    if match := CONDITION.fullmatch(expression):
        return partial(_by_condition, match[1], match[2] or "True")
    if match := JSONPATH.fullmatch(expression):
        return partial(_by_path, expression, match[1], match[2])
    raise ProviderError(
        f"{WAIT_FOR}: '{expression}' is neither condition=<type>[=<status>] nor jsonpath={{<path>}}[=<value>] "
        "with a path of names and numbers like {.status.list[0].name}"
    )


def _by_condition(name: str, status: str, obj: Properties, cluster: Cluster) -> Verdict:
    found = condition(obj, name)
    if str(found.get("status", "")).lower() == status.lower():
        return READY
    return Verdict(
        ready=False, text=f"condition {name} is {found.get('status', 'not set')} {found.get('message', '')}".rstrip()
    )


def _by_path(expression: str, path: str, wanted: str | None, obj: Properties, cluster: Cluster) -> Verdict:
    value = dig(obj, *(int(index) if index else name or quoted for name, index, quoted in STEP.findall(path)))
    met = value is not None if wanted is None else _text(value) == wanted.strip("\"'")
    return READY if met else Verdict(ready=False, text=f"{expression} is {_text(value) or 'not set'}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
