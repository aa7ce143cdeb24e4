"""The Kubernetes backend: every primitive as resources of pulumi_kubernetes in one namespace of a cluster."""

from infra.backends.kubernetes.backend import KubernetesBackend

__all__ = ["KubernetesBackend"]
