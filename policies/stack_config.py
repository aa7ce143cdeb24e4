"""The config of the stack that is checked. The engine tells it to a policy pack, but Pulumi's SDK for Python drops it.

So it is kept here, where the SDK itself looks for it (`PULUMI_CONFIG`, as a program has it), without what is secret.
"""

import json
import os
from typing import Any, Final

import pulumi
from pulumi_policy import policy as sdk

VARIABLE: Final = "PULUMI_CONFIG"


def receive() -> None:
    """Keep what the engine tells from now on; called once, before the pack is served."""
    servicer = sdk._PolicyAnalyzerServicer  # noqa: SLF001 (the SDK has no public way to the request)
    told = servicer.ConfigureStack

    def keep(self: Any, request: Any, context: Any) -> Any:
        plain = {key: text for key, text in request.config.items() if key not in request.config_secret_keys}
        os.environ[VARIABLE] = json.dumps(plain)
        return told(self, request, context)

    setattr(servicer, "ConfigureStack", keep)  # noqa: B010 (type checkers refuse a plain assignment to a method)


def section(key: str) -> dict[str, Any]:
    """A structured setting of the stack, such as "cairn:kubernetes"; {} when it is not set."""
    found = json.loads(pulumi.runtime.get_config_env().get(key) or "{}")
    return found if isinstance(found, dict) else {}
