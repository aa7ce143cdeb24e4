"""Secrets are files, never environment: that shows in `docker inspect`, in crash reports and in every child process."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import Properties, environment_of, rule, texts
from workloads import contract

SUSPICIOUS: Final = re.compile(
    r"(PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?|(API|ACCESS|PRIVATE|SIGNING|SECRET|ENCRYPTION)_?KEY(_ID)?)$",
    re.IGNORECASE,
)
LOGIN_IN_URL: Final = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
JWT: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")


def no_secrets_in_environment(props: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    """No variable is named like a secret, unless it names a file of one; no value looks like one. None is shown."""
    for name, value in environment_of(props).items():
        if name in config["allowedNames"]:
            continue
        named = SUSPICIOUS.search(name) and value and not value.startswith(f"{contract.SECRETS_DIR}/")
        if named or LOGIN_IN_URL.search(value) or JWT.search(value):
            remedy = f"write it to a file under {contract.SECRETS_DIR} (uploads) instead"
            yield f"has a secret in the environment variable {name}; {remedy}"


RULES: Final = (
    rule(
        "container-no-secrets-in-environment",
        "No secrets in environment variables.",
        no_secrets_in_environment,
        config={"allowedNames": texts([], "variables that only look like secrets")},
    ),
)
