"""Every rule of the pack, importable and testable on its own: `rule.validate(ResourceValidationArgs(...), report)`."""

from typing import Final

from pulumi_policy import ResourceValidationPolicy, StackValidationPolicy

from policies.rules import budgets, exposure, hardening, images, labels, limits, secrets

ALL: Final[tuple[ResourceValidationPolicy | StackValidationPolicy, ...]] = (
    *hardening.RULES,
    *limits.RULES,
    *exposure.RULES,
    *secrets.RULES,
    *images.RULES,
    *labels.RULES,
    *budgets.RULES,
)
