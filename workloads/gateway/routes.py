"""The table of routes: the JSON of `PUT /routes` (see ARCHITECTURE.md), checked. Pure.

Every value ends in HAProxy's configuration, so each has a form that can't say more there than itself.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_ENDPOINT: Final = re.compile(r"^projects/[a-z0-9-]{1,63}/locations/[a-z0-9-]{1,63}/endpoints/[A-Za-z0-9_-]{1,128}$")
_ID: Final = re.compile(r"^[A-Za-z0-9_-]{1,128}$")
_ROUTE: Final = re.compile(r"^/[A-Za-z0-9._~!$&()*+,;=:@%/-]*$")
_FOLDER: Final = re.compile(r"^gs://[a-z0-9][a-z0-9._-]{0,220}(/[A-Za-z0-9 ._~!$&()*+,;=:@%-]+)*\Z")
_SERVER: Final = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):([1-9][0-9]{0,4})$")
_ALL: Final = 100  # percent
BRIEF_HOLD_S: Final = 10.0  # a replica that was killed answers again within that

MEMBERS_BEGIN: Final = b'{"deployedModelId":'  # an answer to which its server added DeployedModel.members


class InvalidRoutes(ValueError):
    """The table can't be used; the text names the place and what is wanted there."""


@dataclass(frozen=True)
class DeployedModel:
    """A model version on an endpoint and where its replicas answer ("host:port" each).

    Attributes:
        hold_s: how long a request waits while no replica is up.
        reason: why none may be, as the controllers say it.
        completes: whether its servers add the platform's members to an answer themselves (contract.HEADER_ANSWER).
        shadow: percent of the endpoint's predictions that it gets a copy of; its answers are nobody's.
    """

    id: str
    weight: int
    model: str
    model_version_id: str
    display_name: str
    predict_route: str
    servers: tuple[str, ...]
    hold_s: float = BRIEF_HOLD_S
    reason: str = ""
    completes: bool = False
    shadow: int = 0

    @property
    def members(self) -> str:
        """What the platform adds to an answer's JSON object, as the text of members with a comma at the end.

        Quotes and percent signs, which mean something in HAProxy's configuration, are written as escapes.
        """
        members = {
            "deployedModelId": self.id,
            "model": self.model,
            "modelVersionId": self.model_version_id,
            "modelDisplayName": self.display_name,
        }
        text = json.dumps(members, separators=(",", ":"))[1:-1] + ","
        return text.replace("'", "\\u0027").replace("%", "\\u0025")


@dataclass(frozen=True)
class Log:
    """Which share (0 to 1) of an endpoint's predictions is logged, and the gs:// folder that they go to."""

    rate: float
    folder: str


@dataclass(frozen=True)
class Endpoint:
    """An endpoint's deployed models; `name` is its full resource name."""

    name: str
    deployed_models: tuple[DeployedModel, ...]
    log: Log | None = None

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[1]

    @property
    def has_traffic(self) -> bool:
        """Whether any model is to get requests."""
        return any(model.weight for model in self.deployed_models)

    @property
    def shadows(self) -> tuple[DeployedModel, ...]:
        """The models that get copies."""
        return tuple(model for model in self.deployed_models if model.shadow)


@dataclass(frozen=True)
class Table:
    """All routes of the stack."""

    endpoints: tuple[Endpoint, ...] = ()


def parse(text: str) -> Table:
    """The table in the JSON.

    Raises:
        InvalidRoutes: not such a table.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InvalidRoutes(f"the table is not JSON: {error}") from error
    endpoints = tuple(_endpoint(each, where) for each, where in _items(raw, "endpoints", ""))
    _refuse_repeats([endpoint.id for endpoint in endpoints], "endpoints")
    return Table(endpoints)


def _endpoint(raw: Mapping[str, Any], where: str) -> Endpoint:
    name = _text(raw, "name", where, _ENDPOINT, "projects/P/locations/L/endpoints/ID")
    models = tuple(_deployed_model(each, place) for each, place in _items(raw, "deployedModels", f"{where}."))
    _refuse_repeats([model.id for model in models], f"{where}.deployedModels")
    total = sum(model.weight for model in models)
    if total not in (0, _ALL):
        raise InvalidRoutes(f"{where}: the weights of {name} sum up to {total}; it must be 100, or 0 for no traffic")
    return Endpoint(name, models, _log(raw, where))


def _log(raw: Mapping[str, Any], where: str) -> Log | None:
    log = raw.get("log")
    if log is None:
        return None
    if not isinstance(log, dict) or not isinstance(rate := log.get("rate"), int | float) or not 0 < rate <= 1:
        raise InvalidRoutes(f'{where}.log is {log!r}; it must be like {{"rate": 0.1, "folder": "gs://bucket/folder"}}')
    return Log(float(rate), _text(log, "folder", f"{where}.log", _FOLDER, "a folder like gs://bucket/folder"))


def _deployed_model(raw: Mapping[str, Any], where: str) -> DeployedModel:
    weight, servers, completes = raw.get("weight"), raw.get("servers"), raw.get("completes", False)
    if not isinstance(weight, int) or not 0 <= weight <= _ALL:
        raise InvalidRoutes(f"{where}.weight is {weight!r}; it must be a whole number from 0 to 100")
    if not isinstance(servers, list):
        raise InvalidRoutes(f'{where}.servers is {servers!r}; it must be a list like ["name:8080"]')
    if not isinstance(completes, bool):
        raise InvalidRoutes(f"{where}.completes is {completes!r}; it must be true or false")
    for server in servers:
        if not isinstance(server, str) or not _SERVER.match(server):
            raise InvalidRoutes(f"{where}.servers has {server!r}; each must look like name:8080")
    return DeployedModel(
        id=_text(raw, "id", where, _ID, "a deployed model's id"),
        weight=weight,
        model=_text(raw, "model", where),
        model_version_id=_text(raw, "modelVersionId", where),
        display_name=_text(raw, "displayName", where),
        predict_route=_text(raw, "predictRoute", where, _ROUTE, "a path that starts with /"),
        servers=tuple(dict.fromkeys(servers)),
        completes=completes,
        shadow=_shadow(raw, where),
        **_hold(raw, where),
    )


def _shadow(raw: Mapping[str, Any], where: str) -> int:
    shadow = raw.get("shadow", 0)
    if not isinstance(shadow, int) or not 0 <= shadow <= _ALL or (shadow and raw["weight"]):
        raise InvalidRoutes(f"{where}.shadow is {shadow!r}; it must be a percentage, of a model whose weight is 0")
    return shadow


def _hold(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    hold = raw.get("hold")
    if hold is None:
        return {}
    if not isinstance(hold, dict) or not isinstance(seconds := hold.get("seconds"), int | float) or seconds <= 0:
        raise InvalidRoutes(f'{where}.hold is {hold!r}; it must be an object like {{"seconds": 120, "reason": ""}}')
    return {"hold_s": float(seconds), "reason": _text(hold, "reason", f"{where}.hold")}


def _items(raw: object, key: str, where: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a list, each with the place to name in errors."""
    values = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(values, list):
        raise InvalidRoutes(f"{where}{key} must be a list")
    for number, value in enumerate(values):
        place = f"{where}{key}[{number}]"
        if not isinstance(value, dict):
            raise InvalidRoutes(f"{place} must be an object")
        yield value, place


def _text(
    raw: Mapping[str, Any], key: str, where: str, form: re.Pattern[str] | None = None, wanted: str = "a text"
) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or (form and not form.match(value)):
        raise InvalidRoutes(f"{where}.{key} is {value!r}; it must be {wanted}")
    return value


def _refuse_repeats(ids: list[str], where: str) -> None:
    for each in ids:
        if ids.count(each) > 1:
            raise InvalidRoutes(f"{where} has {each} twice")
