"""The Docker backend: every primitive as resources of pulumi_docker on one engine."""

from infra.backends.docker.backend import DockerBackend

__all__ = ["DockerBackend"]
