"""Which predictions the agent gets whole: HAProxy's rules in a deployed model's backend. Pure; for config.py.

Nothing of it is there for an endpoint that neither logs nor has a shadow.
"""

from typing import Final

from workloads.gateway import request_log, shadows
from workloads.gateway.request_log import about
from workloads.gateway.routes import DeployedModel, Endpoint

SHARES: Final = 1_000_000  # as finely as a sampling rate is told apart


def lines(endpoint: Endpoint, model: DeployedModel) -> list[str]:
    """The rules of a model: what is logged of it and copied to shadows, or of a shadow what is logged."""
    return _shadowed(endpoint, model) if model.shadow else _sampled(endpoint, model)


def _sampled(endpoint: Endpoint, model: DeployedModel) -> list[str]:
    found = list[str]()
    if log := endpoint.log:
        word = about(endpoint.name, model.id, log.folder, _added(model))
        found += [
            f"    http-request set-var(txn.log) str({word}) if {{ rand({SHARES}) lt {round(log.rate * SHARES)} }}",
            *_whole("{ var(txn.log) -m found }", request_log.LARGEST),
        ]
    plain = "!{ req.hdr(Content-Encoding) -m found }"
    for shadow in endpoint.shadows:
        chance = f"{plain} {{ var(txn.verb) -m str predict }} {{ rand(100) lt {shadow.shadow} }}"
        found.append(f'    http-request set-var-fmt(txn.shadows) "%[var(txn.shadows)],{shadow.id}" if {chance}')
    if endpoint.shadows:
        found += _whole("{ var(txn.shadows) -m found } !{ var(txn.log) -m found }", shadows.LARGEST)
    return found


def _shadowed(endpoint: Endpoint, model: DeployedModel) -> list[str]:
    """A shadow's answer is logged where the original's was, under the same id."""
    found = list[str]()
    if endpoint.log:
        word = about(endpoint.name, model.id, endpoint.log.folder, added=0)
        logged = f"{{ req.hdr({shadows.REQUEST_ID}) -m found }}"
        found.append(f'    http-request set-var-fmt(txn.log) "{word}.%[req.hdr({shadows.REQUEST_ID})]" if {logged}')
        found += _whole(logged, request_log.LARGEST)
    return [*found, f"    http-request del-header {shadows.REQUEST_ID}"]


def answers() -> list[str]:
    """Keeps the answers of those that are logged, where it needs no filter: servers of ours tell an answer's length.

    A small one is waited for, which takes no longer than the server does; one that was cut off is not kept.
    """
    logged = "{ var(txn.log) -m found } { res.hdr(Content-Length) -m found } !{ res.hdr(Content-Encoding) -m found }"
    small = f"{logged} {{ res.body_size le {request_log.LARGEST} }}"
    return [
        f"    http-response wait-for-body time 10m if {small}",
        f"    http-response set-var(txn.size) res.body_size if {small}",
        f"    http-response set-var(txn.answered) res.body if {small} {{ res.body_len,sub(txn.size) eq 0 }}",
    ]


def _added(model: DeployedModel) -> int:
    """How many bytes of a logged answer are the platform's: the filter keeps it without them."""
    return len(model.members) if model.completes else 0


def _whole(condition: str, largest: int) -> list[str]:
    """Requests that the agent gets whole (channel.py)."""
    small = f"{{ req.body_size le {largest} }} {{ req.body_len le {largest} }}"
    return [
        f"    http-request set-log-level notice if {condition}",
        f"    http-request set-var(txn.asked) req.body if {condition} {small}",
    ]
