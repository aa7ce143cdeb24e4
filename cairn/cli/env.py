"""`cairn env`: shell exports."""

import shlex

from cairn.stack import find


def show_env(name: str | None, principal: str | None) -> None:
    """Print one `export` a line, quoted for sh; as the admin, or as another of the stack's principals."""
    stack = find(name)
    if principal:
        stack = stack.as_principal(principal)
    # Tools that run without the hook find Cloud Storage by this name; a bare client of Google's goes anonymous by it.
    values = stack.environment() | {"STORAGE_EMULATOR_HOST": stack.api_endpoint}
    for key, value in values.items():
        print(f"export {key}={shlex.quote(value)}")
