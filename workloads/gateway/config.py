"""The table of routes → HAProxy's configuration. Pure; called by the agent, which writes and checks the files."""

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from workloads import contract
from workloads.gateway.routes import DeployedModel, Endpoint, Table
from workloads.gateway.splits import SLOTS, backend, endpoints_map, splits_map

ENV_SIGNING_KEY: Final = "CAIRN_SIGNING_KEY"  # in HAProxy's own environment only, never in a file
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
_SERVER: Final = "check inter 2s fastinter 500ms fall 2 rise 1 resolvers dns init-addr last,libc,none"


@dataclass(frozen=True)
class Places:
    """Where the files of one HAProxy are; `lua` is the filter's file in the image."""

    folder: PurePath
    lua: PurePath

    @property
    def config(self) -> PurePath:
        return self.folder / "haproxy.cfg"

    @property
    def endpoints(self) -> PurePath:
        return self.folder / "endpoints.map"

    @property
    def splits(self) -> PurePath:
        return self.folder / "splits.map"

    @property
    def server_state(self) -> PurePath:
        return self.folder / "servers.state"

    @property
    def worker_socket(self) -> PurePath:
        return self.folder / "worker.sock"

    @property
    def master_socket(self) -> PurePath:
        return self.folder / "master.sock"


def files(table: Table, stack: str, places: Places) -> dict[PurePath, str]:
    """Every file that HAProxy reads, as text."""
    parts = [_GLOBAL, _FRONT, _API, *(_model(e, m) for e in table.endpoints for m in e.deployed_models)]
    text = "\n".join(parts)
    for name, value in _values(stack, places).items():
        text = text.replace(f"@{name}@", value)
    return {places.config: text, places.endpoints: endpoints_map(table), places.splits: splits_map(table)}


def _values(stack: str, places: Places) -> dict[str, str]:
    return {
        "STATE": str(places.server_state),
        "SOCKET": str(places.worker_socket),
        "LUA": str(places.lua),
        "ENDPOINTS": str(places.endpoints),
        "SPLITS": str(places.splits),
        "STACK": quoted(stack),
        "KEY": ENV_SIGNING_KEY,
        "PORT": str(contract.GATEWAY_PORT),
        "API": f"{contract.API_HOST}:{contract.API_PORT}",
        "SERVER": _SERVER,
        "SLOTS": str(SLOTS),
        "UNAUTHENTICATED": quoted(
            error_body(401, "The prediction needs a valid bearer token of this stack; take one from `cairn env`.")
        ),
        "ERRORS": "\n".join(f"    {http_error(status, text)}" for status, text in _ERRORS.items()),
        "API_DOWN": http_error(503, "The API doesn't answer. See `cairn status`; predictions keep working meanwhile."),
    }


def _model(endpoint: Endpoint, model: DeployedModel) -> str:
    """A deployed model's backend."""
    what = f"deployed model {model.id} ({model.display_name or model.model}) of {endpoint.name}"
    lines = [
        f"backend {backend(endpoint, model.id)}",
        "    balance leastconn",
        "    timeout server 10m",
        "    retries 3",
        "    option redispatch 1",
        "    retry-on conn-failure empty-response",
        f"    filter lua.prediction {quoted(answer_fields(model))}",
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
    lines += [f"    server {server.replace(':', '-')} {server} @SERVER@" for server in model.servers]
    return "\n".join(lines) + "\n"


def answer_fields(model: DeployedModel) -> str:
    """What the platform adds to an answer's JSON object, as the text of members with a comma at the end."""
    members = {
        "deployedModelId": model.id,
        "model": model.model,
        "modelVersionId": model.model_version_id,
        "modelDisplayName": model.display_name,
    }
    return json.dumps(members, separators=(",", ":"))[1:-1] + ","


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

_GLOBAL: Final = """\
global
    log stdout format raw daemon notice
    nbthread 2
    maxconn 4000
    # A prediction's body must fit the buffer to be sent again to another replica.
    tune.bufsize 65536
    hard-stop-after 30m
    stats socket @SOCKET@ mode 600 level admin expose-fd listeners
    server-state-file @STATE@
    lua-load-per-thread @LUA@
    set-var proc.key env(@KEY@)

resolvers dns
    parse-resolv-conf
    resolve_retries 2
    timeout resolve 1s
    timeout retry 500ms
    hold valid 2s
    hold nx 5s
    hold obsolete 5s

defaults
    mode http
    log global
    option dontlognull
    option splice-auto
    load-server-state-from-file global
    timeout connect 2s
    timeout queue 10s
    timeout http-request 30s
    timeout http-keep-alive 2m
    timeout client 1h
    timeout server 1h
@ERRORS@
"""

_FRONT: Final = """\
frontend front
    bind :@PORT@
    # At a reload the old worker answers one more request on each idle connection instead of cutting it.
    option idle-close-on-response
    http-request set-var(txn.verb) path,url_dec,field(2,:) if METH_POST
    http-request set-var(txn.endpoint) path,url_dec,field(1,:),map_str(@ENDPOINTS@) if { var(txn.verb) -m str predict rawPredict streamRawPredict }
    acl prediction var(txn.endpoint) -m found
    http-request set-var(txn.now) date() if prediction
    http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int') if prediction
    acl alg_is_ours http_auth_bearer,jwt_header_query('$.alg') -m str HS256
    acl stack_is_ours http_auth_bearer,jwt_payload_query('$.iss') -m str @STACK@
    acl signature_is_ours http_auth_bearer,jwt_verify(HS256,proc.key) 1
    acl has_expiry var(txn.exp) -m found
    acl is_expired var(txn.exp),sub(txn.now) -m int le 0
    http-request set-var(txn.authenticated) bool(true) if prediction alg_is_ours stack_is_ours signature_is_ours !has_expiry
    http-request set-var(txn.authenticated) bool(true) if prediction alg_is_ours stack_is_ours signature_is_ours !is_expired
    http-request return status 401 content-type application/json hdr WWW-Authenticate Bearer string @UNAUTHENTICATED@ if prediction !{ var(txn.authenticated) -m found }
    http-request track-sc0 var(txn.endpoint) table splits if prediction
    http-request set-var(txn.slot) sc_inc_gpc0(0),mod(@SLOTS@) if prediction
    http-request set-var(txn.backend) var(txn.endpoint),concat(.,txn.slot),map_str(@SPLITS@) if prediction
    use_backend %[var(txn.backend)] if prediction
    default_backend api

# How many requests each endpoint has had.
backend splits
    stick-table type string len 129 size 100k store gpc0
"""

_API: Final = """\
backend api
    option redispatch 1
    retries 3
    @API_DOWN@
    server api @API@ @SERVER@
"""
