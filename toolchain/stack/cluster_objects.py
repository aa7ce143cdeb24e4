"""What a Kubernetes cluster holds of a stack, by the official client: any kubeconfig works.

Run by stack/cluster.py in the checkout's environment, as `python -m toolchain.stack.cluster_objects COMMAND STACK
[CONTEXT]`; prints JSON. `stop` ends what the controllers made, `left` lists what carries the stack's label, `remove`
removes that, `stacks` lists the stacks that have a namespace in the cluster.
"""

import json
import sys
import time
from typing import Any

from kubernetes import config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError

# The names in workloads/contract.py; a test holds them together.
LABEL_STACK = "cairn.stack"
LABEL_MANAGED_BY = "cairn.managed-by"
CONTROLLERS = "controllers"
# What the controllers make, in the order in which it goes: owners first, without their pods. The kubelet, once it waits
# for a pod's usual thirty seconds, does not hear that it should hurry.
MADE = (
    ("batch/v1", "Job"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
)
CLUSTER_WIDE = (
    ("v1", "Namespace"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
)
GONE_SECONDS = 90
TICK_SECONDS = 0.3


def namespace(stack: str) -> str:
    """Where the stack is."""
    return f"cairn-{stack}"


def stop(api: DynamicClient, stack: str) -> list[str]:
    """Stop the controllers, so that nothing new appears, then remove what they made and wait for its pods to end."""
    where = namespace(stack)
    _scale_down(api, where)
    mine = f"{LABEL_STACK}={stack},{LABEL_MANAGED_BY}={CONTROLLERS}"
    removed = []
    for version, kind in MADE:
        resource = api.resources.get(api_version=version, kind=kind)
        for item in resource.get(namespace=where, label_selector=mine).items:
            _delete(resource, item.metadata.name, where)
            if kind not in ("ReplicaSet", "Pod"):  # those are of another
                removed.append(f"{kind} {item.metadata.name}")
    pods = api.resources.get(api_version="v1", kind="Pod")
    _wait_gone(lambda: pods.get(namespace=where, label_selector=mine).items)
    return removed


def left(api: DynamicClient, stack: str) -> list[str]:
    """What of the stack is in no namespace, and the namespace itself."""
    found = []
    for version, kind in CLUSTER_WIDE:
        items = api.resources.get(api_version=version, kind=kind).get(label_selector=f"{LABEL_STACK}={stack}").items
        found += [f"{kind} {item.metadata.name}" for item in items]
    volumes = api.resources.get(api_version="v1", kind="PersistentVolume").get().items
    bound = [volume for volume in volumes if (volume.spec.claimRef or {}).get("namespace") == namespace(stack)]
    return found + [f"PersistentVolume {volume.metadata.name}" for volume in bound]


def left_after_a_while(api: DynamicClient, stack: str) -> list[str]:
    """The same, with time for volumes to follow their claims."""
    try:
        _wait_gone(lambda: left(api, stack))
    except TimeoutError:
        return left(api, stack)
    return []


def remove(api: DynamicClient, stack: str) -> list[str]:
    """Remove all that, and say what is left of it."""
    for version, kind in CLUSTER_WIDE:
        resource = api.resources.get(api_version=version, kind=kind)
        for item in resource.get(label_selector=f"{LABEL_STACK}={stack}").items:
            _delete(resource, item.metadata.name, None, "Background")
    return left_after_a_while(api, stack)


def stacks(api: DynamicClient, _stack: str) -> list[str]:
    """The stacks that have a namespace."""
    items = api.resources.get(api_version="v1", kind="Namespace").get(label_selector=LABEL_STACK).items
    return sorted({item.metadata.labels[LABEL_STACK] for item in items})


def _scale_down(api: DynamicClient, where: str) -> None:
    deployments = api.resources.get(api_version="apps/v1", kind="Deployment")
    try:
        wish = {"spec": {"replicas": 0}}
        deployments.patch(wish, CONTROLLERS, where, content_type="application/merge-patch+json")
    except NotFoundError:
        return
    _wait_gone(lambda: range(deployments.get(name=CONTROLLERS, namespace=where).status.replicas or 0))


def _delete(resource: Any, name: str, where: str | None, dependents: str = "Orphan") -> None:
    try:
        resource.delete(name=name, namespace=where, body={"propagationPolicy": dependents, "gracePeriodSeconds": 1})
    except NotFoundError:
        return  # it has gone in the meantime


def _wait_gone(items: Any) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while items():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {GONE_SECONDS} s still there: {items()}")
        time.sleep(TICK_SECONDS)


COMMANDS = {"stop": stop, "left": left_after_a_while, "remove": remove, "stacks": stacks}


def main(command: str, stack: str, context: str | None = None) -> None:
    """Do it and print the answer; what went wrong goes to stderr in one line."""
    try:
        api = DynamicClient(config.new_client_from_config(context=context))
        print(json.dumps(COMMANDS[command](api, stack)))
    except (ApiException, config.ConfigException, TimeoutError, OSError) as problem:
        sys.exit(" ".join(str(problem).split()))


if __name__ == "__main__":
    main(*sys.argv[1:])
