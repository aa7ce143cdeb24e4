"""Serves the rules to Pulumi's engine (`--policy-pack policies`). Only this module makes a PolicyPack, which blocks."""

from pulumi_policy import EnforcementLevel, PolicyPack

from policies import stack_config
from policies.rules import ALL

stack_config.receive()
PolicyPack(name="cairn", enforcement_level=EnforcementLevel.MANDATORY, policies=list(ALL))
