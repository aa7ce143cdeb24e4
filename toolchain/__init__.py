"""Sets a machine up for Cairn and runs its stacks: `python3 -m toolchain setup | up | down | test | …`.

Called by the Makefile. Standard library only, since it runs with the system's Python before any virtual environment
exists (`plugins` and `later.py` are the exceptions: Pulumi starts those, inside the environment made here).
"""
