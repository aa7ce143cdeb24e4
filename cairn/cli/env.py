"""`cairn env`: shell exports."""

import shlex

from cairn.stack import find


def show_env(name: str | None) -> None:
    """Print one `export` a line, quoted for sh."""
    stack = find(name)
    # Tools that run without the hook find Cloud Storage by this name; a bare client of Google's goes anonymous by it.
    values = stack.environment() | {"STORAGE_EMULATOR_HOST": stack.api_endpoint}
    for key, value in values.items():
        print(f"export {key}={shlex.quote(value)}")
