"""Which versions of the tools are set up. The one place: go.mod files are checked against it by a test."""

from typing import Final

PYTHON: Final = (3, 11)
PULUMI: Final = "3.259.0"  # the newest whose Go module is served everywhere
VERSITYGW: Final = "1.8.0"
COMPOSE: Final = "2.39.1"
KUBERNETES: Final = "1.34.4"  # of the project's own cluster
COREDNS: Final = "1.12.4"
REGISTRY: Final = "3.0.0"
DEBIAN: Final = "bookworm"
# The plugins' versions are those of the SDKs in the virtual environment: requirements/dev.txt decides.
PLUGINS: Final = ("docker", "kubernetes", "random")
