"""Who may call what, and the token exchange that makes Google's auth library work without Google. Used by app.py."""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import jwt

from workloads import tokens
from workloads.api.errors import ApiError
from workloads.api.handlers import Call
from workloads.tokens import InvalidToken, Principal

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
DEFAULT_LIFETIME_S: Final = 3600  # a person's token has no end; clients refresh it hourly all the same

_RIGHTS: Final = {
    tokens.ROLE_VIEWER: "a viewer only reads; predictions and changes take the role developer",
    tokens.ROLE_WORKLOAD: "jobs and model servers read models and endpoints, predict, and reach their own buckets; "
    "use a developer's or the admin's token for the rest",
}
# What jobs and model servers may do beside predicting: read what predictions need, and themselves.
_READABLE: Final = frozenset({"ModelService", "EndpointService", "PredictionService", "Operations"})


def authenticate(authorization: str, verify: tokens.Verify) -> Principal:
    """The principal of an Authorization header.

    Raises:
        ApiError: UNAUTHENTICATED, with what to send instead.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(
            "UNAUTHENTICATED",
            "The request has no bearer token: send 'Authorization: Bearer <token>' as in `cairn env`.",
        )
    try:
        return verify(token.strip())
    except InvalidToken as error:
        raise ApiError("UNAUTHENTICATED", f"The bearer token is not valid: {error}.") from error


def authorize(call: Call) -> None:
    """The one place that says what each role may do.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    if not _may_call(call):
        who, role = call.principal.subject, call.principal.role
        rights = _RIGHTS.get(role, "this role may do nothing here")
        text = f"{who} (role {role or 'none'}) may not call {call.method.key}: {rights}."
        raise ApiError("PERMISSION_DENIED", text)


def _may_call(call: Call) -> bool:
    principal, method = call.principal, call.method
    if method.service == "PredictionService":
        return principal.role in tokens.ROLES_THAT_PREDICT
    if principal.manages:
        return True
    if not method.name.startswith(("Get", "List", "Wait")):
        return False
    own = call.request.get("name") == principal.subject
    return principal.is_person or (principal.role == tokens.ROLE_WORKLOAD and (own or method.service in _READABLE))


def require_admin(principal: Principal, what: str) -> None:
    """Refuse anybody else.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    if principal.role != tokens.ROLE_ADMIN:
        raise ApiError("PERMISSION_DENIED", f"{principal.subject} may not {what}: it takes the role admin.")


def require_person(principal: Principal, what: str) -> None:
    """Refuse jobs and model servers.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    if not principal.is_person:
        allowed = ", ".join(tokens.ROLES_OF_PEOPLE)
        raise ApiError("PERMISSION_DENIED", f"{principal.subject} may not {what}: it takes one of the roles {allowed}.")


def exchange(body: bytes, verify: tokens.Verify) -> tuple[int, Mapping[str, Any]]:
    """RFC 8693 for Application Default Credentials: the subject token is our token already, so it comes back."""
    try:
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    except UnicodeDecodeError:
        form = {}
    if form.get("grant_type", GRANT) != GRANT or "subject_token" not in form:
        return 400, _refusal("invalid_request", f"send grant_type={GRANT} and subject_token, form-encoded")
    token = form["subject_token"].strip()
    try:
        verify(token)
    except InvalidToken as error:
        return 400, _refusal("invalid_grant", f"the subject token is not valid: {error}")
    claims = jwt.decode(token, options={"verify_signature": False})  # verified above
    lifetime = int(claims["exp"] - time.time()) if "exp" in claims else DEFAULT_LIFETIME_S
    answer = {"access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer"}
    return 200, {**answer, "expires_in": max(lifetime, 1)}


def _refusal(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description}
