"""A container's inputs as the engine's API wants them: pure functions, called by container.py.

The tables of names carry most inputs over; what has another form on the engine has a function here.
"""

from collections.abc import Collection, Mapping
from typing import Any

from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker import container_parts as parts
from toolchain.plugins.docker import container_table as names
from toolchain.plugins.docker.fields import labels_to_map, renamed

MEBIBYTE = 1024 * 1024
DEFAULT_NETWORKS = ("", "bridge", "default")


def container_body(inputs: Properties, labels: Mapping[str, str]) -> dict[str, Any]:
    """The body of the call that creates a container, joined to its first network."""
    volumes = inputs.get("volumes", [])
    networks = inputs.get("networksAdvanced", [])
    body = {
        **renamed(inputs, names.CONFIG_NAMES),
        "Labels": {**labels_to_map(inputs.get("labels")), **labels},
        "ExposedPorts": {parts.port_key(port): {} for port in inputs.get("ports", [])},
        "Volumes": {v["containerPath"]: {} for v in volumes if parts.volume_source(v) is None and "containerPath" in v},
        "HostConfig": host_config(inputs),
        "NetworkingConfig": {"EndpointsConfig": {n["name"]: parts.endpoint_body(n) for n in networks[:1]}},
    }
    if "healthcheck" in inputs:
        body["Healthcheck"] = parts.healthcheck_body(inputs["healthcheck"])
    return body


def host_config(inputs: Properties) -> dict[str, Any]:
    """The part of the body that says how the engine runs the container."""
    volumes = inputs.get("volumes", [])
    config = {
        **renamed(inputs, names.HOST_CONFIG_NAMES),
        **limits(inputs),
        **_megabytes(inputs, "shmSize"),
        **_capabilities(inputs.get("capabilities", {})),
        "NetworkMode": network_mode(inputs),
        "PortBindings": parts.port_bindings(inputs.get("ports", [])),
        "Binds": [parts.volume_bind(volume) for volume in volumes if parts.volume_source(volume) is not None],
        "VolumesFrom": [parts.volume_from(v) for v in volumes if v.get("fromContainer")],
        "Mounts": [parts.mount_body(mount) for mount in inputs.get("mounts", [])],
        "ExtraHosts": [f"{host['host']}:{host['ip']}" for host in inputs.get("hosts", [])],
        "Devices": [parts.device_body(device) for device in inputs.get("devices", [])],
        "DeviceRequests": parts.device_requests(inputs),
        "Ulimits": [
            {api: limit[ours] for ours, api in names.ULIMIT_NAMES.items()} for limit in inputs.get("ulimits", [])
        ],
        "RestartPolicy": restart_policy(inputs),
    }
    if "logDriver" in inputs or "logOpts" in inputs:
        config["LogConfig"] = {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts", {})}
    if inputs.get("cpus"):
        config["NanoCpus"] = round(float(inputs["cpus"]) * 10**9)
    return config


def limits(inputs: Properties) -> dict[str, Any]:
    """The limits that can be set on a container at any time."""
    plain = ("cpuPeriod", "cpuQuota", "cpuSet", "cpuShares")
    return {
        **{names.HOST_CONFIG_NAMES[name]: inputs[name] for name in plain if name in inputs},
        **_megabytes(inputs, "memory", "memoryReservation", "memorySwap"),
        **{
            api: [renamed(entry, names.THROTTLE_FIELDS) for entry in inputs[name]]
            for name, api in names.THROTTLE_NAMES.items()
            if name in inputs
        },
    }


def update_body(inputs: Properties, changed: Collection[str]) -> dict[str, Any]:
    """The body of `docker update` for the changed inputs."""
    body = limits({name: inputs[name] for name in changed if name in inputs})
    if "memory" in changed and "memorySwap" not in inputs:
        # The engine refuses memory above the swap limit that it derived from the old one: twice the memory.
        body["MemorySwap"] = 2 * body["Memory"]
    if {"restart", "maxRetryCount"} & set(changed):
        body["RestartPolicy"] = restart_policy(inputs)
    return body


def restart_policy(inputs: Properties) -> dict[str, Any]:
    """What the engine does when the container's process ends."""
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": inputs.get("maxRetryCount", 0)}


def network_mode(inputs: Properties) -> str:
    """The network that a container is created in: the declared mode, or its first network in place of bridge."""
    mode = str(inputs.get("networkMode", ""))
    networks = inputs.get("networksAdvanced", [])
    return str(networks[0]["name"]) if networks and mode in DEFAULT_NETWORKS else mode or "default"


def _megabytes(inputs: Properties, *wanted: str) -> dict[str, int]:
    return {
        names.MEBIBYTE_NAMES[name]: inputs[name] * MEBIBYTE if inputs[name] > 0 else inputs[name]
        for name in wanted
        if name in inputs
    }


def _capabilities(capabilities: dict[str, list[str]]) -> dict[str, list[str]]:
    return {"CapAdd": capabilities.get("adds", []), "CapDrop": capabilities.get("drops", [])}
