"""Every rule of the pack, importable and testable on its own: `rule.validate(ResourceValidationArgs(...), report)`."""

from typing import Final

from pulumi_policy import ResourceValidationPolicy, StackValidationPolicy

from policies.rules import (
    budgets,
    confinement,
    engine,
    exposure,
    hardening,
    host,
    images,
    labels,
    limits,
    namespaces,
    networks,
    probes,
    rbac,
    secrets,
    whole,
)

ALL: Final[tuple[ResourceValidationPolicy | StackValidationPolicy, ...]] = (
    *hardening.RULES,
    *confinement.RULES,
    *host.RULES,
    *limits.RULES,
    *probes.RULES,
    *exposure.RULES,
    *engine.RULES,
    *rbac.RULES,
    *secrets.RULES,
    *images.RULES,
    *labels.RULES,
    *namespaces.RULES,
    *networks.RULES,
    *whole.RULES,
    *budgets.RULES,
)
