"""A container's inputs as the engine's API wants them: pure functions, called by container.py.

The tables of names carry most inputs over; what has another form on the engine has a function here.
"""

from collections.abc import Collection, Mapping
from typing import Any

from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker import container_table as names
from toolchain.plugins.docker.durations import nanoseconds
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
        "ExposedPorts": {_port_key(port): {} for port in inputs.get("ports", [])},
        "Volumes": {
            v["containerPath"]: {}
            for v in volumes
            if _source(v) is None and "containerPath" in v
        },
        "HostConfig": host_config(inputs),
        "NetworkingConfig": {
            "EndpointsConfig": {n["name"]: endpoint(n) for n in networks[:1]}
        },
    }
    if "healthcheck" in inputs:
        body["Healthcheck"] = _healthcheck(inputs["healthcheck"])
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
        "PortBindings": _port_bindings(inputs.get("ports", [])),
        "Binds": [_bind(volume) for volume in volumes if _source(volume) is not None],
        "VolumesFrom": [
            v["fromContainer"] + _read_only(v)
            for v in volumes
            if v.get("fromContainer")
        ],
        "Mounts": [_mount(mount) for mount in inputs.get("mounts", [])],
        "ExtraHosts": [
            f"{host['host']}:{host['ip']}" for host in inputs.get("hosts", [])
        ],
        "Devices": [_device(device) for device in inputs.get("devices", [])],
        "DeviceRequests": _device_requests(inputs),
        "Ulimits": [
            {api: limit[ours] for ours, api in names.ULIMIT_NAMES.items()}
            for limit in inputs.get("ulimits", [])
        ],
        "RestartPolicy": restart_policy(inputs),
    }
    if "logDriver" in inputs or "logOpts" in inputs:
        config["LogConfig"] = {
            "Type": inputs.get("logDriver", ""),
            "Config": inputs.get("logOpts", {}),
        }
    if inputs.get("cpus"):
        config["NanoCpus"] = round(float(inputs["cpus"]) * 10**9)
    return config


def limits(inputs: Properties) -> dict[str, Any]:
    """The limits that can be set on a container at any time."""
    plain = ("cpuPeriod", "cpuQuota", "cpuSet", "cpuShares")
    return {
        **{
            names.HOST_CONFIG_NAMES[name]: inputs[name]
            for name in plain
            if name in inputs
        },
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
    return {
        "Name": inputs.get("restart", "no"),
        "MaximumRetryCount": inputs.get("maxRetryCount", 0),
    }


def network_mode(inputs: Properties) -> str:
    """The network that a container is created in: the declared mode, or the first of its networks in place of bridge."""
    mode = str(inputs.get("networkMode", ""))
    networks = inputs.get("networksAdvanced", [])
    return (
        str(networks[0]["name"])
        if networks and mode in DEFAULT_NETWORKS
        else mode or "default"
    )


def endpoint(network: dict[str, Any]) -> dict[str, Any]:
    """How a container is joined to a network."""
    return {
        "Aliases": network.get("aliases", []),
        "IPAMConfig": renamed(network, names.ENDPOINT_ADDRESSES),
        "DriverOpts": dict(
            option.split("=", 1) for option in network.get("driverOpts", [])
        ),
        **renamed(network, {"macAddress": "MacAddress", "gwPriority": "GwPriority"}),
    }


def _megabytes(inputs: Properties, *wanted: str) -> dict[str, int]:
    return {
        names.MEBIBYTE_NAMES[name]: inputs[name] * MEBIBYTE
        if inputs[name] > 0
        else inputs[name]
        for name in wanted
        if name in inputs
    }


def _capabilities(capabilities: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        "CapAdd": capabilities.get("adds", []),
        "CapDrop": capabilities.get("drops", []),
    }


def _port_key(port: dict[str, Any]) -> str:
    return f"{port['internal']}/{port.get('protocol') or 'tcp'}"


def _port_bindings(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        host_port = str(port["external"]) if port.get("external") else ""
        bindings.setdefault(_port_key(port), []).append(
            {"HostIp": port.get("ip") or "0.0.0.0", "HostPort": host_port}
        )
    return bindings


def _source(volume: dict[str, Any]) -> str | None:
    return volume.get("volumeName") or volume.get("hostPath")


def _read_only(volume: dict[str, Any]) -> str:
    return ":ro" if volume.get("readOnly") else ""


def _bind(volume: dict[str, Any]) -> str:
    options = [
        option
        for option in (
            "ro" if volume.get("readOnly") else "rw",
            volume.get("selinuxRelabel"),
        )
        if option
    ]
    return f"{_source(volume)}:{volume['containerPath']}:{','.join(options)}"


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    result = renamed(mount, names.MOUNT_NAMES)
    if "bindOptions" in mount:
        result["BindOptions"] = renamed(
            mount["bindOptions"], {"propagation": "Propagation"}
        )
    if "tmpfsOptions" in mount:
        result["TmpfsOptions"] = renamed(mount["tmpfsOptions"], names.TMPFS_NAMES)
    if "volumeOptions" in mount:
        options = mount["volumeOptions"]
        result["VolumeOptions"] = {
            **renamed(options, {"noCopy": "NoCopy", "subpath": "Subpath"}),
            "Labels": labels_to_map(options.get("labels")),
            "DriverConfig": renamed(
                options, {"driverName": "Name", "driverOptions": "Options"}
            ),
        }
    return result


def _device(device: dict[str, Any]) -> dict[str, Any]:
    path = device["hostPath"]
    return {
        "PathInContainer": path,
        "CgroupPermissions": "rwm",
        **renamed(device, names.DEVICE_NAMES),
    }


def _device_requests(inputs: Properties) -> list[dict[str, Any]]:
    gpus = inputs.get("gpus", "")
    if gpus == "all":
        return [{"Count": -1, "Capabilities": [["gpu"]]}]
    if gpus:
        return [
            {
                "DeviceIDs": gpus.removeprefix("device=").split(","),
                "Capabilities": [["gpu"]],
            }
        ]
    return [
        {
            **renamed(
                request,
                {
                    "driver": "Driver",
                    "count": "Count",
                    "deviceIds": "DeviceIDs",
                    "options": "Options",
                },
            ),
            "Capabilities": [request.get("capabilities", [])],
        }
        for request in inputs.get("deviceRequests", [])
    ]


def _healthcheck(check: dict[str, Any]) -> dict[str, Any]:
    durations = {
        api: nanoseconds(check[name])
        for name, api in names.HEALTH_DURATIONS.items()
        if check.get(name)
    }
    return {
        "Test": check.get("tests", []),
        "Retries": check.get("retries", 0),
        **durations,
    }
