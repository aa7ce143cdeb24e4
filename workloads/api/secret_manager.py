"""Google Secret Manager's REST v1, the part that secrets and their values need.

google-cloud-secret-manager works unchanged with transport="rest". A secret's value is opened by the admin, by the
principal who made it, and by those whom its annotation `accessors` names ("dana, vic", or "*" for every developer);
whoever may open a secret may refer to it in a job.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import google_crc32c
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workloads.api import calls, checks, paging
from workloads.api.errors import ApiError, invalid, not_found, precondition, unimplemented
from workloads.api.handlers import Context, Json
from workloads.api.vertex.messages import timestamp
from workloads.plans import secrets as plans
from workloads.store import Aborted, Deed
from workloads.store.sealing import Unsealable
from workloads.store.secrets import Secret, Version
from workloads.tokens import ROLE_ADMIN, ROLE_DEVELOPER, Principal

ACCESSORS: Final = "accessors"
SERVICE: Final = "SecretManagerService"
MAX_VALUE: Final = 64 * 1024  # as Google's
KEPT: Final = ("replication", "labels", "annotations")
PATHS: Final = ("/v1/projects/{project}/secrets", "/v1/projects/{project}/secrets/{rest:path}")
_S: Final = rf"/(?P<secret>{plans.NAME})"
_V: Final = rf"{_S}/versions/(?P<version>{plans.VERSION})"


def opens(principal: Principal, secret: Secret) -> bool:
    """Whether the principal may have the secret's values."""
    if principal.role == ROLE_ADMIN or (principal.role == ROLE_DEVELOPER and principal.subject == secret.owner):
        return True
    named = {each.strip() for each in str(secret.message.get("annotations", {}).get(ACCESSORS, "")).split(",")}
    return principal.role == ROLE_DEVELOPER and bool({"*", principal.subject} & named)


def require(context: Context, principal: Principal, job_spec: Mapping[str, Any]) -> None:
    """Refuse a job that refers to a secret which is not there, or which its author may not open; note that it does.

    Raises:
        ApiError: with the reference that is wrong.
    """
    for each in sorted(plans.of_job(job_spec), key=str):
        where = f"{plans.SCHEME}{each.name}/versions/{each.version}"
        _require_opens(principal, context.store.secrets.get(each.name))
        try:
            context.store.secrets.access(each.name, each.version)[1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise precondition(f"{where} is no UTF-8 text, and only text can be given to a job.") from error
        except (Aborted, Unsealable) as error:
            raise precondition(f"{where} can't be given to a job: {error}.") from error
        name = f"projects/{context.config.project}/{each.path}"
        deed = Deed(principal.subject, principal.role, f"{SERVICE}.AccessSecretVersion", name, 200, "for a job")
        context.store.audit.add(deed)


def _require_opens(principal: Principal, secret: Secret) -> None:
    if not opens(principal, secret):
        raise ApiError(
            "PERMISSION_DENIED",
            f"{principal.subject} may not open secret {secret.id}: it is {secret.owner}'s; the admin or {secret.owner} "
            f'can make it anew with {principal.subject} in its annotation "{ACCESSORS}".',
        )


@dataclass(frozen=True)
class _Asked:
    """One request, taken apart."""

    context: Context
    principal: Principal
    query: Mapping[str, str]
    body: Json
    secret: str = ""
    version: str = ""

    def shown(self, secret: Secret) -> Json:
        """A Secret message."""
        return {**secret.message, "name": self.name(secret.id), "createTime": timestamp(secret.create_time)}

    def shown_version(self, version: Version) -> Json:
        """A SecretVersion message."""
        times = {"createTime": timestamp(version.create_time)}
        if version.destroy_time:
            times["destroyTime"] = timestamp(version.destroy_time)
        return {"name": f"{self.name(version.secret)}/versions/{version.number}", "state": version.state, **times}

    def name(self, secret: str) -> str:
        """A secret's resource name."""
        return f"projects/{self.context.config.project}/secrets/{secret}"

    def found(self) -> Secret:
        """The secret that the path names, for those who may see that it is there."""
        return self.context.store.secrets.get(self.secret)

    def own(self) -> Secret:
        """The same, for those who may change it."""
        secret = self.found()
        if self.principal.role != ROLE_ADMIN and self.principal.subject != secret.owner:
            text = f"{self.principal.subject} may not change secret {secret.id}: it is {secret.owner}'s."
            raise ApiError("PERMISSION_DENIED", text)
        return secret


def _create(asked: _Asked) -> Json:
    name = asked.query.get("secretId", "")
    if not re.fullmatch(plans.NAME, name):
        raise invalid(f"secretId is {name[:80]!r}; give 1 to 255 letters, digits, '_' and '-'.")
    refused = sorted(set(asked.body) - {*KEPT, "name", "etag", "createTime"})
    if refused:
        raise unimplemented(f"secret.{refused[0]} is not supported on this stack; it keeps {', '.join(KEPT)}.")
    for field in KEPT:
        if not isinstance(asked.body.get(field, {}), dict):
            raise invalid(f"secret.{field} is not an object.")
    checks.labels({"labels": {key: str(value) for key, value in asked.body.get("labels", {}).items()}})
    message = {"replication": {"automatic": {}}, **{key: asked.body[key] for key in KEPT if asked.body.get(key)}}
    return asked.shown(asked.context.store.secrets.create(name, asked.principal.subject, message))


def _list(asked: _Asked) -> Json:
    size, last = _page(asked, "secrets")
    found = asked.context.store.secrets.page(str(last or ""), size + 1)
    token = {"nextPageToken": paging.encode(("secrets",), found[size - 1].id)} if len(found) > size else {}
    return {"secrets": [asked.shown(each) for each in found[:size]], **token}


def _delete(asked: _Asked) -> Json:
    asked.context.store.secrets.delete(asked.own().id)
    return {}


def _add(asked: _Asked) -> Json:
    given = asked.body.get("payload")
    payload: Json = given if isinstance(given, dict) else {}
    try:
        value = base64.b64decode(str(payload.get("data", "")).replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise invalid("payload.data is missing or not base64; give the value's bytes.") from None
    if not 1 <= len(value) <= MAX_VALUE:
        raise invalid(f"payload.data has {len(value)} bytes; give 1 to {MAX_VALUE}.")
    said = payload.get("dataCrc32c")
    if said is not None and str(said) != str(google_crc32c.value(value)):
        raise invalid("payload.dataCrc32c is not that of payload.data: the value was damaged on its way.")
    return asked.shown_version(asked.context.store.secrets.add(asked.own().id, value))


def _versions(asked: _Asked) -> Json:
    size, last = _page(asked, asked.secret)
    found = asked.context.store.secrets.versions(asked.secret, int(last) if last else None, size + 1)
    token = {"nextPageToken": paging.encode((asked.secret,), found[size - 1].number)} if len(found) > size else {}
    return {"versions": [asked.shown_version(each) for each in found[:size]], **token}


def _page(asked: _Asked, of: str) -> tuple[int, Any]:
    """Its size, and where the last one ended."""
    if asked.query.get("filter"):
        raise unimplemented("filter is not supported for secrets on this stack; list them all.")
    wish = asked.query.get("pageSize") or "0"
    if not (wish.isascii() and wish.isdigit() and len(wish) < len(str(2**31))):
        raise invalid(f"pageSize is {wish[:40]!r}; give a whole number.")
    token = asked.query.get("pageToken")
    return paging.size({"pageSize": int(wish)}), paging.decode((of,), token) if token else None


def _access(asked: _Asked) -> Json:
    _require_opens(asked.principal, asked.found())
    try:
        version, value = asked.context.store.secrets.access(asked.secret, asked.version)
    except (Aborted, Unsealable) as error:
        raise precondition(f"{error}.") from error
    data = {"data": base64.b64encode(value).decode(), "dataCrc32c": str(google_crc32c.value(value))}
    return {"name": asked.shown_version(version)["name"], "payload": data}


def _to(state: str) -> Callable[[_Asked], Json]:
    def change(asked: _Asked) -> Json:
        try:
            done = asked.context.store.secrets.set_state(asked.own().id, asked.version, state)
        except Aborted as error:
            raise precondition(f"{error}.") from error
        return asked.shown_version(done)

    return change


_METHODS: Final[tuple[tuple[str, str, str, Callable[[_Asked], Json]], ...]] = (
    ("POST", "", "CreateSecret", _create),
    ("GET", "", "ListSecrets", _list),
    ("GET", _S, "GetSecret", lambda asked: asked.shown(asked.found())),
    ("DELETE", _S, "DeleteSecret", _delete),
    ("POST", f"{_S}:addVersion", "AddSecretVersion", _add),
    ("GET", f"{_S}/versions", "ListSecretVersions", _versions),
    (
        "GET",
        _V,
        "GetSecretVersion",
        lambda asked: asked.shown_version(asked.context.store.secrets.version(asked.secret, asked.version)),
    ),
    ("GET", f"{_V}:access", "AccessSecretVersion", _access),
    ("POST", f"{_V}:disable", "DisableSecretVersion", _to("DISABLED")),
    ("POST", f"{_V}:enable", "EnableSecretVersion", _to("ENABLED")),
    ("POST", f"{_V}:destroy", "DestroySecretVersion", _to("DESTROYED")),
)


@dataclass(frozen=True)
class SecretManager:
    """The endpoint of PATHS; `principal` authenticates a request, `body` reads its whole body."""

    context: Context
    principal: Callable[[Request], Principal]
    body: Callable[[Request], Awaitable[bytes]]

    async def answer(self, request: Request) -> Response:
        """Any of the methods."""
        principal, project = self.principal(request), request.path_params["project"]
        rest = f"/{request.path_params['rest']}" if "rest" in request.path_params else ""
        request.state.resource = f"projects/{project}/secrets{rest}"
        for verb, pattern, name, handler in _METHODS:
            if verb == request.method and (match := re.fullmatch(pattern, rest)):
                request.state.method = f"{SERVICE}.{name}"
                _authorize(principal, verb, name)
                self._check_project(project)
                body = calls.load_json(await self.body(request))
                asked = _Asked(self.context, principal, request.query_params, body, **match.groupdict())
                answer = await run_in_threadpool(handler, asked)
                return JSONResponse(answer, headers={"Cache-Control": "no-store"})
        served = ", ".join(name for *_, name, _ in _METHODS)
        raise unimplemented(f"{request.method} {request.url.path} is not served of Secret Manager: there is {served}.")

    def _check_project(self, project: str) -> None:
        if project != self.context.config.project:
            raise not_found(
                f"The project {project[:80]!r} is not this stack's, which is {self.context.config.project}."
            )


def _authorize(principal: Principal, verb: str, name: str) -> None:
    """Viewers see which secrets there are, developers and the admin make and open them; jobs get what they name."""
    if principal.manages or (verb == "GET" and name != "AccessSecretVersion" and principal.is_person):
        return
    who = f"{principal.subject} (role {principal.role or 'none'})"
    raise ApiError("PERMISSION_DENIED", f"{who} may not call {SERVICE}.{name}: it takes the role developer or admin.")
