"""The table of routes → HAProxy's configuration. Pure; called by the agent, which writes and checks the files."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from workloads import contract
from workloads.gateway import sampling, shadows
from workloads.gateway.channel import FORMAT as WHOLE_FORMAT
from workloads.gateway.hosts import whole
from workloads.gateway.measures import FORMAT, HOLDER
from workloads.gateway.request_log import LARGEST
from workloads.gateway.routes import DeployedModel, Endpoint, Table
from workloads.gateway.splits import SLOTS, backend, endpoints_map, splits_map
from workloads.tokens import ROLE_WORKLOAD, ROLES_THAT_PREDICT

_TEMPLATE: Final = Path(__file__).with_name("haproxy.cfg").read_text(encoding="utf-8")
HOLDS: Final = "X-Cairn-Holds"  # the header that tells the holder (holder.py) a request's backend
# Numbers beyond those that the agent has in use before HAProxy starts.
MEASURES_FD: Final = 100  # of every HAProxy process: where it writes a line for each prediction
LOG_FD: Final = 101  # and where it writes those that are logged or copied, whole
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# A prediction has no effect beside its answer, so it may be asked again elsewhere even when a server died over it.
_FOUND: Final = "check inter 2s fastinter 500ms fall 2 rise 1 resolvers dns init-addr last,libc,none"
# The first request that a server does not accept goes to the next, or the holder, and so do those after it.
_SERVER: Final = f"{_FOUND} observe layer4 error-limit 1 on-error mark-down"


@dataclass(frozen=True)
class Places:
    """Where the files of one HAProxy are, and the hosts that it knows.

    Attributes:
        lua: the filter's file in the image.
        domain: completes short host names (see hosts.py).
    """

    folder: PurePath
    lua: PurePath
    domain: str = ""

    @property
    def config(self) -> PurePath:
        """The configuration that HAProxy is started with."""
        return self.folder / "haproxy.cfg"

    @property
    def endpoints(self) -> PurePath:
        """Its map from paths to endpoints."""
        return self.folder / "endpoints.map"

    @property
    def splits(self) -> PurePath:
        """Its map from requests to deployed models."""
        return self.folder / "splits.map"

    @property
    def keys(self) -> PurePath:
        """Its map from slots to the keys that verify tokens (keys.py)."""
        return self.folder / "keys.map"

    @property
    def people(self) -> PurePath:
        """Its map of everybody whose token is good until it is revoked (tokens.named)."""
        return self.folder / "people.map"

    @property
    def handover(self) -> PurePath:
        """Its map that is empty, until a worker is an old one, which has "old" in memory."""
        return self.folder / "handover.map"

    @property
    def server_state(self) -> PurePath:
        """What the old worker knew of its servers, for the new one."""
        return self.folder / "servers.state"

    @property
    def worker_socket(self) -> PurePath:
        """The worker's socket, over which the listening ports are handed on."""
        return self.folder / "worker.sock"

    @property
    def hold_socket(self) -> PurePath:
        """Where the holder takes requests that no server can take."""
        return self.folder / "hold.sock"

    @property
    def shadow_socket(self) -> PurePath:
        """Where HAProxy takes the copies for shadows."""
        return self.folder / "shadow.sock"

    @property
    def master_socket(self) -> PurePath:
        """The master's socket, for commands."""
        return self.folder / "master.sock"


def files(table: Table, stack: str, places: Places) -> dict[PurePath, str]:
    """Every file that HAProxy reads, as text."""
    parts = [_TEMPLATE, *(_model(e, m, places) for e in table.endpoints for m in e.deployed_models)]
    text = "\n".join(parts)
    for name, value in _values(stack, places).items():
        text = text.replace(f"@{name}@", value)
    return {
        places.config: text,
        places.endpoints: endpoints_map(table),
        places.splits: splits_map(table),
        places.handover: "",
    }


def _values(stack: str, places: Places) -> dict[str, str]:
    return {
        "STATE": str(places.server_state),
        "SOCKET": str(places.worker_socket),
        "MEASURES": str(MEASURES_FD),
        "LOG": str(LOG_FD),
        "FORMAT": f"{FORMAT} {WHOLE_FORMAT}",
        "SHADOWS": str(places.shadow_socket),
        "SHADOW": shadows.SHADOW,
        "ANSWER": contract.HEADER_ANSWER,
        "LUA": str(places.lua),
        "ENDPOINTS": str(places.endpoints),
        "SPLITS": str(places.splits),
        "HANDOVER": str(places.handover),
        "STACK": quoted(stack),
        "KEYS": str(places.keys),
        "PEOPLE": str(places.people),
        "WORKLOAD": ROLE_WORKLOAD,
        "PORT": str(contract.GATEWAY_PORT),
        "API": whole(f"{contract.API_HOST}:{contract.API_PORT}", places.domain),
        "SERVER": _SERVER,
        "SLOTS": str(SLOTS),
        "UNAUTHENTICATED": quoted(
            error_body(401, "The prediction needs a valid bearer token of this stack; take one from `cairn env`.")
        ),
        "REVOKED": quoted(
            error_body(401, "The token was revoked or replaced; take a fresh one from `cairn env --as <your name>`.")
        ),
        "ROLES": " ".join(ROLES_THAT_PREDICT),
        "FORBIDDEN": quoted(
            error_body(403, f"Predictions take one of the roles {', '.join(ROLES_THAT_PREDICT)}; a viewer only reads.")
        ),
        "ERRORS": "\n".join(f"    {http_error(status, text)}" for status, text in _ERRORS.items()),
        "API_DOWN": http_error(503, "The API doesn't answer. See `cairn status`; predictions keep working meanwhile."),
    }


def _model(endpoint: Endpoint, model: DeployedModel, places: Places) -> str:
    """A deployed model's backend."""
    what = f"deployed model {model.id} ({model.display_name or model.model}) of {endpoint.name}"
    lines = [
        f"backend {backend(endpoint, model.id)}",
        "    balance leastconn",
        f"    timeout server {f'{shadows.ANSWER_S}s' if model.shadow else '10m'}",
        # A request can only be sent again if all of it had come before it was sent first.
        "    option http-buffer-request",
        "    retries 3",
        "    option redispatch 1",
        "    retry-on conn-failure empty-response",
        *_completed(endpoint, model),
        *sampling.lines(endpoint, model),
        # Only predict's answer is completed, so only it must come uncompressed.
        f"    http-request set-pathq {model.predict_route} if {{ var(txn.verb) -m str predict }}",
        f"    http-request set-path {model.predict_route} if !{{ var(txn.verb) -m str predict }}",
        "    http-request del-header Accept-Encoding if { var(txn.verb) -m str predict }",
        "    http-request del-header Authorization",
        f"    http-response set-header X-Vertex-AI-Endpoint-Id {endpoint.id}",
        f"    http-response set-header X-Vertex-AI-Deployed-Model-Id {model.id}",
        "    " + http_error(503, f"No replica of {what} answers; see `cairn logs {endpoint.name}` and `cairn status`."),
        "    " + http_error(504, f"A replica of {what} didn't answer in time; see `cairn logs {endpoint.name}`."),
    ]
    lines += [
        f"    server {server.replace(':', '-')} {whole(server, places.domain)} @SERVER@" for server in model.servers
    ]
    if not model.shadow:  # whose copies are not worth being held
        lines += [
            f"    http-request set-header {HOLDS} {backend(endpoint, model.id)}",
            f"    server {HOLDER} unix@{places.hold_socket} backup pool-max-conn 0",
        ]
    return "\n".join(lines) + "\n"


def _completed(endpoint: Endpoint, model: DeployedModel) -> list[str]:
    """Who adds the platform's members to an answer: servers that can, since the filter takes as long as all else here.

    The filter also keeps answers for the log. A shadow's answer needs no members.
    """
    if model.completes:
        predicts = "{ var(txn.verb) -m str predict }"
        asked = f"    http-request set-header {contract.HEADER_ANSWER} {quoted(model.members)} if {predicts}"
        return [*([] if model.shadow else [asked]), *(sampling.answers() if endpoint.log else [])]
    if model.shadow and endpoint.log is None:
        return []
    return [f"    filter lua.prediction {quoted(model.members)} {LARGEST}"]


def error_body(code: int, message: str) -> str:
    """Google's error model."""
    return json.dumps({"error": {"code": code, "message": message, "status": _STATUS[code]}})


def http_error(code: int, message: str) -> str:
    """HAProxy's directive for an answer of its own."""
    return f"http-error status {code} content-type application/json string {quoted(error_body(code, message))}"


def quoted(text: str) -> str:
    """The text as one word of HAProxy's configuration: strong quotes, in which only a quote means something.

    Works for JSON made by json.dumps, where a quote may be written as an escape, and for plain names without quotes.
    """
    return "'" + text.replace("'", "\\u0027") + "'"


_ERRORS: Final = {
    400: "The request is not valid HTTP.",
    408: "The request didn't arrive in time.",
    413: "The request is too large.",
    500: "The gateway failed; see the log of the service gateway.",
    502: "The server behind the gateway gave an invalid answer; see its log.",
    503: "The service behind the gateway doesn't answer; see `cairn status`.",
    504: "The service behind the gateway didn't answer in time; see `cairn status`.",
}
