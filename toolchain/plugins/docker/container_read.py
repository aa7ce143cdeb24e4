"""What the engine says of a container, as inputs and outputs: pure functions, called by container.py.

After its creation the engine lets only a few things of a container change, so a refresh looks at those alone and can't
invent differences; an import reads everything that differs from what the image and the engine give by themselves.
"""

from typing import Any

from toolchain.plugins.common.table import kept_where_same, same
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker import container_parts as parts
from toolchain.plugins.docker import container_table as names
from toolchain.plugins.docker.container_body import MEBIBYTE
from toolchain.plugins.docker.engine import without_mark
from toolchain.plugins.docker.fields import labels_from_map, renamed, reversed_names

# What the engine fills in by itself.
ENGINE_DEFAULTS = {
    "cgroupnsMode": ("host", "private"),
    "ipcMode": ("private", "shareable"),
    "logDriver": ("json-file",),
    "networkMode": ("default",),
    "restart": ("",),
    "runtime": ("runc",),
    "shmSize": (64,),
    "stopSignal": ("SIGTERM",),
}
IMAGE_NAMES = {
    "command": "Cmd",
    "entrypoints": "Entrypoint",
    "stopSignal": "StopSignal",
    "user": "User",
    "workingDir": "WorkingDir",
}


def drifted(inputs: Properties, container: dict[str, Any]) -> Properties:
    """The inputs of a container that is known, with what was changed by hand."""
    found = all_inputs(container, inputs)
    watched = {name: names.TABLE[name] for name in (*names.UPDATABLE, "name")}
    now = kept_where_same(
        watched,
        {name: value for name, value in inputs.items() if name in watched},
        {name: value for name, value in found.items() if name in watched},
    )
    rest = {name: value for name, value in inputs.items() if name not in watched}
    if "networksAdvanced" in inputs and not _on_networks(inputs["networksAdvanced"], container):
        rest["networksAdvanced"] = found.get("networksAdvanced", [])
    if inputs.get("mustRun", True) and inputs.get("start", True) and not container["State"]["Running"]:
        rest["mustRun"] = False
    return {**rest, **now}


def import_inputs(container: dict[str, Any], image: dict[str, Any]) -> Properties:
    """The inputs that would make this container, without what comes from its image."""
    inputs = all_inputs(container, {})
    config = image.get("Config") or {}
    inherited = {name for name, api in IMAGE_NAMES.items() if inputs.get(name) == config.get(api)}
    image_labels = labels_from_map(config.get("Labels"))
    inputs["envs"] = [line for line in inputs.get("envs", []) if line not in (config.get("Env") or [])]
    inputs["labels"] = [label for label in inputs.get("labels", []) if label not in image_labels]
    if container["Config"].get("Healthcheck") == config.get("Healthcheck"):
        inherited.add("healthcheck")
    if container["Id"].startswith(inputs.get("hostname") or "?"):
        inherited.add("hostname")
    return {name: value for name, value in inputs.items() if name not in inherited and value not in ([], {}, None)}


def all_inputs(container: dict[str, Any], declared: Properties) -> Properties:
    """Every input as the engine has it, without those at their default."""
    config, host = container["Config"], container["HostConfig"]
    inputs = {
        **{name: config.get(api) for name, api in names.CONFIG_NAMES.items()},
        **{name: host.get(api) for name, api in names.HOST_CONFIG_NAMES.items()},
        **{name: _megabytes(host.get(api)) for name, api in names.MEBIBYTE_NAMES.items()},
        **{name: _all(host.get(api), names.THROTTLE_FIELDS) for name, api in names.THROTTLE_NAMES.items()},
        **_special(container),
    }
    if "memorySwap" not in declared and inputs["memorySwap"] == 2 * (inputs["memory"] or 0):
        # Twice the memory is what the engine takes when nobody says anything.
        inputs["memorySwap"] = 0
    return {name: value for name, value in inputs.items() if not _is_default(name, value)}


def outputs(container: dict[str, Any], inputs: Properties) -> Properties:
    """What the engine decided; inputs that the program set stay as they are."""
    config, host, settings = (container["Config"], container["HostConfig"], container.get("NetworkSettings") or {})
    decided = {
        "command": config.get("Cmd") or [],
        "entrypoints": config.get("Entrypoint") or [],
        "envs": config.get("Env") or [],
        "hostname": config.get("Hostname"),
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode"),
        "labels": labels_from_map(without_mark(config.get("Labels"))),
        "logDriver": host["LogConfig"]["Type"],
        "platform": container.get("Platform"),
        "runtime": host.get("Runtime"),
        "securityOpts": host.get("SecurityOpt") or [],
        "shmSize": _megabytes(host.get("ShmSize")),
        "stopSignal": config.get("StopSignal") or "",
        "stopTimeout": config.get("StopTimeout") or 0,
    }
    state = container["State"]
    return {
        **{name: value for name, value in decided.items() if name not in inputs},
        "bridge": settings.get("Bridge", ""),
        "networkDatas": [
            parts.network_data(name, data)
            for name, data in sorted(settings.get("Networks", {}).items())
            if _is_declared(name, data, inputs)
        ],
        "exitCode": 0 if state["Running"] else state["ExitCode"],
    }


def _special(container: dict[str, Any]) -> Properties:
    config, host = container["Config"], container["HostConfig"]
    capabilities = {"adds": host.get("CapAdd") or [], "drops": host.get("CapDrop") or []}
    policy, log = host.get("RestartPolicy") or {}, host.get("LogConfig") or {}
    networks = parts.endpoint_inputs(container)
    mode = host.get("NetworkMode")
    return {
        "capabilities": {name: value for name, value in capabilities.items() if value},
        "cpus": f"{host['NanoCpus'] / 10**9:g}" if host.get("NanoCpus") else "",
        "deviceRequests": [parts.device_request_input(request) for request in host.get("DeviceRequests") or []],
        "devices": [parts.device_input(device) for device in host.get("Devices") or []],
        "healthcheck": parts.healthcheck_input(config.get("Healthcheck") or {}),
        "hosts": [
            dict(zip(("host", "ip"), entry.split(":", 1), strict=True)) for entry in host.get("ExtraHosts") or []
        ],
        "labels": labels_from_map(without_mark(config.get("Labels"))),
        "logDriver": log.get("Type"),
        "logOpts": log.get("Config"),
        "maxRetryCount": policy.get("MaximumRetryCount"),
        "mounts": [parts.mount_input(mount) for mount in host.get("Mounts") or []],
        "name": container["Name"].lstrip("/"),
        "networkMode": "" if mode in [network["name"] for network in networks] else mode,
        "networksAdvanced": networks,
        "ports": parts.port_inputs(host.get("PortBindings") or {}),
        "restart": policy.get("Name"),
        "ulimits": _all(host.get("Ulimits"), names.ULIMIT_NAMES),
        "volumes": [parts.volume_input(bind) for bind in host.get("Binds") or []]
        + [{"containerPath": path} for path in config.get("Volumes") or {}],
    }


def _is_default(name: str, value: Any) -> bool:
    if value in ENGINE_DEFAULTS.get(name, ()):
        return True
    return name not in ("name", "image") and (value in (None, "", [], {}) or same(names.TABLE[name], None, value))


def _on_networks(declared: list[dict[str, Any]], container: dict[str, Any]) -> bool:
    joined = container["NetworkSettings"]["Networks"] or {}
    known = {name: {name, data.get("NetworkID")} for name, data in joined.items()}
    # Networks beside the declared ones are somebody else's business: a container may be joined to more while it runs.
    return all(any(n["name"] in ids for ids in known.values()) for n in declared)


def _is_declared(name: str, data: dict[str, Any], inputs: Properties) -> bool:
    declared = {each["name"] for each in inputs.get("networksAdvanced", [])}
    return not declared or bool(declared & {name, data.get("NetworkID")})


def _megabytes(size: int | None) -> int:
    return size // MEBIBYTE if size and size > 0 else size or 0


def _all(entries: list[dict[str, Any]] | None, table: dict[str, str]) -> list[dict[str, Any]]:
    return [renamed(entry, reversed_names(table)) for entry in entries or []]
