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
    """prediction.lua keeps the answers of those that are logged."""
    found = list[str]()
    if log := endpoint.log:
        word = about(endpoint.name, model.id, log.folder)
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
        word = about(endpoint.name, model.id, endpoint.log.folder)
        logged = f"{{ req.hdr({shadows.REQUEST_ID}) -m found }}"
        found.append(f'    http-request set-var-fmt(txn.log) "{word}.%[req.hdr({shadows.REQUEST_ID})]" if {logged}')
        found += _whole(logged, request_log.LARGEST)
    return [*found, f"    http-request del-header {shadows.REQUEST_ID}"]


def _whole(condition: str, largest: int) -> list[str]:
    """Requests that the agent gets whole (channel.py)."""
    small = f"{{ req.body_size le {largest} }} {{ req.body_len le {largest} }}"
    return [
        f"    http-request set-log-level notice if {condition}",
        f"    http-request set-var(txn.asked) req.body if {condition} {small}",
    ]
