"""What Pulumi's state keeps of an object, and the inputs that a refresh or an import finds.

The keys are the official provider's, so that either plugin goes on where the other stopped. Only managedFields are
left out: they change with every status that a controller writes.
"""

import base64
from typing import Any

from toolchain.plugins.common.values import Properties, unmarked
from toolchain.plugins.kubernetes.objects import annotation, dig, from_api, without_read_only
from toolchain.plugins.kubernetes.secrecy import is_secret, marked

INPUTS = "__inputs"
INITIAL_VERSION = "__initialApiVersion"
FIELD_MANAGER = "__fieldManager"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Not fields of the object: notes of the provider.
NOTES = (INPUTS, INITIAL_VERSION, FIELD_MANAGER)


def outputs(live: Properties, inputs: Properties, manager: str, initial_version: str) -> Properties:
    """The state of an object: as it is, what made it, and who owns its fields; secrets marked."""
    shown = marked(from_api(without_managed_fields(live)), inputs)
    notes = {INPUTS: inputs, INITIAL_VERSION: initial_version, FIELD_MANAGER: manager}
    return {**shown, **{key: value for key, value in notes.items() if value}}


def last_live(state: Properties) -> Properties:
    """The object as the state has it."""
    return {key: value for key, value in unmarked(state).items() if key not in NOTES}


def without_managed_fields(obj: Properties) -> Properties:
    """The object without the API server's bookkeeping of who owns what."""
    metadata = {key: value for key, value in dig(obj, "metadata", default={}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def imported(live: Properties) -> Properties:
    """The inputs that would make an object that is there."""
    found: Properties = from_api(without_read_only({key: value for key, value in live.items() if key != "status"}))
    if annotation(found, LAST_APPLIED):
        rest = {key: value for key, value in found["metadata"]["annotations"].items() if key != LAST_APPLIED}
        metadata = {key: value for key, value in found["metadata"].items() if key != "annotations"}
        found["metadata"] = {**metadata, **({"annotations": rest} if rest else {})}
    return found


def refreshed(inputs: Properties, live: Properties, state: Properties) -> Properties:
    """The inputs with what was changed by hand since: fields that they name and that differ from the state's object."""
    last, now = last_live(state), from_api(without_managed_fields(live))
    found = {key: value for key, value in inputs.items() if key != "stringData"}
    result: Properties = _refreshed(found, now, last)
    if "stringData" in inputs:
        result["stringData"] = _string_data(inputs["stringData"], now) if is_secret(live) else inputs["stringData"]
    return result


def _refreshed(wanted: Any, now: Any, last: Any) -> Any:
    if now == last:
        return wanted  # in the program's own words, whatever the API server makes of them (1024Mi, 1Gi)
    if isinstance(wanted, dict) and isinstance(now, dict):
        then = last if isinstance(last, dict) else {}
        # What never came up in the object (an empty list, a write-only field) can't be said to be gone.
        return {
            key: _refreshed(value, now.get(key), then.get(key))
            for key, value in wanted.items()
            if key in now or key not in then
        }
    if isinstance(wanted, list) and isinstance(now, list):
        return _refreshed_list(wanted, now, last if isinstance(last, list) else [])
    return wanted if wanted == now else now


def _refreshed_list(wanted: list[Any], now: list[Any], last: list[Any]) -> list[Any]:
    names = [_name(item) for item in wanted]
    if None in names or len(set(names)) < len(names):
        padded = [*wanted, *now[len(wanted) :]]
        pairs = zip(padded, now, [*last, *([None] * len(now))], strict=False)
        return [_refreshed(item, live, then) for item, live, then in pairs]
    # Items that somebody added under other names (a sidecar) are not ours.
    by_name, then = {_name(item): item for item in now}, {_name(item): item for item in last}
    return [
        _refreshed(item, by_name[name], then.get(name))
        for item, name in zip(wanted, names, strict=True)
        if name in by_name
    ]


def _name(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else None


def _string_data(texts: Any, live: Properties) -> Any:
    if not isinstance(texts, dict):
        return texts
    data = live.get("data") or {}
    return {
        key: text if data.get(key) == base64.b64encode(str(text).encode()).decode() else _decoded(data[key])
        for key, text in texts.items()
        if key in data
    }


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="replace")
