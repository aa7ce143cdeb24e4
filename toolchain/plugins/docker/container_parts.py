"""The nested inputs of a container, each with its way to the engine's form and back: pure functions.

Called by container_body.py and container_read.py.
"""

from typing import Any

from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker import container_table as names
from toolchain.plugins.docker.durations import duration, nanoseconds
from toolchain.plugins.docker.fields import labels_from_map, labels_to_map, renamed, reversed_names

ENGINE_NETWORKS = ("bridge", "host", "none")


def port_key(port: dict[str, Any]) -> str:
    """The engine's name of a container's port."""
    return f"{port['internal']}/{port.get('protocol') or 'tcp'}"


def port_bindings(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Where the host listens for each port."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        host_port = str(port["external"]) if port.get("external") else ""
        bindings.setdefault(port_key(port), []).append(
            {"HostIp": port.get("ip") or names.EVERY_ADDRESS, "HostPort": host_port}
        )
    return bindings


def port_inputs(bindings: dict[str, list[dict[str, str]] | None]) -> list[dict[str, Any]]:
    """The declared ports; one that the engine chooses has no `external`."""
    return [_port_input(key, address) for key, addresses in bindings.items() for address in addresses or []]


def _port_input(key: str, address: dict[str, str]) -> dict[str, Any]:
    internal, protocol = key.split("/")
    port = {"internal": int(internal), "protocol": protocol, "ip": address.get("HostIp") or names.EVERY_ADDRESS}
    return {**port, **({"external": int(address["HostPort"])} if address.get("HostPort") else {})}


def volume_source(volume: dict[str, Any]) -> str | None:
    """The named volume or host folder; None for an anonymous volume or one of another container."""
    return volume.get("volumeName") or volume.get("hostPath")


def volume_bind(volume: dict[str, Any]) -> str:
    """source:path:options."""
    options = ["ro" if volume.get("readOnly") else "rw", volume.get("selinuxRelabel")]
    return f"{volume_source(volume)}:{volume['containerPath']}:{','.join(option for option in options if option)}"


def volume_from(volume: dict[str, Any]) -> str:
    """Another container's volumes."""
    return f"{volume['fromContainer']}:{'ro' if volume.get('readOnly') else 'rw'}"


def volume_input(bind: str) -> dict[str, Any]:
    """A bind as it was declared."""
    source, path, *options = bind.split(":")
    kind = "hostPath" if source.startswith("/") else "volumeName"
    return {kind: source, "containerPath": path, **({"readOnly": True} if "ro" in ",".join(options).split(",") else {})}


def mount_body(mount: dict[str, Any]) -> dict[str, Any]:
    """A mount for the engine."""
    result = renamed(mount, names.MOUNT_NAMES)
    if "bindOptions" in mount:
        result["BindOptions"] = renamed(mount["bindOptions"], {"propagation": "Propagation"})
    if "tmpfsOptions" in mount:
        result["TmpfsOptions"] = renamed(mount["tmpfsOptions"], names.TMPFS_NAMES)
    if "volumeOptions" in mount:
        options = mount["volumeOptions"]
        result["VolumeOptions"] = {
            **renamed(options, {"noCopy": "NoCopy", "subpath": "Subpath"}),
            "Labels": labels_to_map(options.get("labels")),
            "DriverConfig": renamed(options, {"driverName": "Name", "driverOptions": "Options"}),
        }
    return result


def mount_input(mount: dict[str, Any]) -> dict[str, Any]:
    """A mount as it was declared."""
    bind, tmpfs, volume = (mount.get(kind) or {} for kind in ("BindOptions", "TmpfsOptions", "VolumeOptions"))
    labels = labels_from_map(volume.get("Labels"))
    options = {
        "bindOptions": renamed(bind, {"Propagation": "propagation"}),
        "tmpfsOptions": renamed(tmpfs, reversed_names(names.TMPFS_NAMES)),
        "volumeOptions": {
            **renamed(volume, {"NoCopy": "noCopy", "Subpath": "subpath"}),
            **renamed(volume.get("DriverConfig") or {}, {"Name": "driverName", "Options": "driverOptions"}),
            **({"labels": labels} if labels else {}),
        },
    }
    declared = {name: value for name, value in options.items() if value}
    return {**renamed(mount, reversed_names(names.MOUNT_NAMES)), **declared}


def device_body(device: dict[str, Any]) -> dict[str, Any]:
    """A device for the engine, under the same path in the container unless told otherwise."""
    defaults = {"PathInContainer": device["hostPath"], "CgroupPermissions": "rwm"}
    return {**defaults, **renamed(device, names.DEVICE_NAMES)}


def device_input(device: dict[str, Any]) -> dict[str, Any]:
    """A device as it was declared."""
    found = renamed(device, reversed_names(names.DEVICE_NAMES))
    same_path = found.get("containerPath") == found.get("hostPath")
    return {name: value for name, value in found.items() if not (same_path and name == "containerPath")}


def device_requests(inputs: Properties) -> list[dict[str, Any]]:
    """GPUs as `docker run --gpus` asks for them, or the requests as declared."""
    gpus = inputs.get("gpus", "")
    if gpus == "all":
        return [{"Count": -1, "Capabilities": [["gpu"]]}]
    if gpus:
        return [{"DeviceIDs": gpus.removeprefix("device=").split(","), "Capabilities": [["gpu"]]}]
    return [
        {**renamed(request, names.DEVICE_REQUEST_NAMES), "Capabilities": [request.get("capabilities", [])]}
        for request in inputs.get("deviceRequests", [])
    ]


def device_request_input(request: dict[str, Any]) -> dict[str, Any]:
    """A request as it was declared; the engine may hold several sets of capabilities, the schema one."""
    capabilities = [capability for group in request.get("Capabilities") or [] for capability in group]
    found = renamed(request, reversed_names(names.DEVICE_REQUEST_NAMES))
    return {**found, **({"capabilities": capabilities} if capabilities else {})}


def healthcheck_body(check: dict[str, Any]) -> dict[str, Any]:
    """A health check for the engine."""
    durations = {api: nanoseconds(check[name]) for name, api in names.HEALTH_DURATIONS.items() if check.get(name)}
    return {"Test": check.get("tests", []), "Retries": check.get("retries", 0), **durations}


def healthcheck_input(check: dict[str, Any]) -> dict[str, Any]:
    """A health check as it was declared."""
    durations = {name: duration(check[api]) for name, api in names.HEALTH_DURATIONS.items() if check.get(api)}
    return {**renamed(check, {"Test": "tests", "Retries": "retries"}), **durations}


def endpoint_body(network: dict[str, Any]) -> dict[str, Any]:
    """How a container is joined to a network."""
    return {
        "Aliases": network.get("aliases", []),
        "IPAMConfig": renamed(network, names.ENDPOINT_ADDRESSES),
        "DriverOpts": dict(option.split("=", 1) for option in network.get("driverOpts", [])),
        **renamed(network, {"macAddress": "MacAddress", "gwPriority": "GwPriority"}),
    }


def endpoint_inputs(container: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks of a container, without the engine's own and without the aliases that it gives."""
    joined = (container.get("NetworkSettings") or {}).get("Networks") or {}
    given = {container["Id"][:12], container["Name"].lstrip("/")}
    found = []
    for name, data in sorted(joined.items()):
        if name not in ENGINE_NETWORKS:
            aliases = [alias for alias in data.get("Aliases") or [] if alias not in given]
            addresses = renamed(data.get("IPAMConfig") or {}, reversed_names(names.ENDPOINT_ADDRESSES))
            found.append({"name": name, **({"aliases": aliases} if aliases else {}), **addresses})
    return found


def network_data(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """The output that tells a container's addresses in a network."""
    return {
        "networkName": name,
        "gateway": data.get("Gateway", ""),
        "globalIpv6Address": data.get("GlobalIPv6Address", ""),
        "globalIpv6PrefixLength": data.get("GlobalIPv6PrefixLen", 0),
        "ipAddress": data.get("IPAddress", ""),
        "ipPrefixLength": data.get("IPPrefixLen", 0),
        "ipv6Gateway": data.get("IPv6Gateway", ""),
        "macAddress": data.get("MacAddress", ""),
    }
