"""The `cairn` command: status, env, jobs, logs, usage, run.

Google's SDK is never imported here, and each command's own modules only when it runs: the command answers at once.
"""

import sys


def main() -> None:
    """Entry point of the console script."""
    from cairn.cli.app import app
    from cairn.errors import CairnError

    try:
        app()
    except CairnError as error:
        print(f"cairn: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
