"""The inputs of docker:index/container:Container and where the engine keeps each of them.

Read by container.py (checks, differences), container_body.py (inputs to the engine) and container_read.py (the
engine's answer to inputs). Whether a change replaces follows the official provider, except for what it declares
updatable and then does not carry out (`healthcheck`, `init`, `rm`, `tmpfs`): the engine can't change these, so here
they replace.
"""

from toolchain.plugins.common.table import Kind, Property

# What the official schema says that an absent ip of a port means.
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104
STRING, INTEGER, BOOLEAN, STRINGS, MAP = (Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.STRINGS, Kind.MAP)


def _objects(fields: str, needs: str = "", **more: object) -> Property:
    names = frozenset(fields.split())
    return Property(Kind.OBJECTS, fields=names, needs=frozenset(needs.split()), **more)  # type: ignore[arg-type]


def _in_place(kind: Kind, default: object = None) -> Property:
    return Property(kind, replaces=False, default=default)


def _limit(kind: Kind) -> Property:
    # `docker update` takes 0 for "as before": a limit can be changed in place but not lifted.
    return Property(kind, replaces=False, removal_replaces=True, default="" if kind is STRING else 0)


# What says how to deal with the container; the engine does not know of it.
LIFECYCLE = {
    "attach": _in_place(BOOLEAN, False),
    "containerReadRefreshTimeoutMilliseconds": _in_place(INTEGER, 15000),
    "destroyGraceSeconds": _in_place(INTEGER, 0),
    "logs": _in_place(BOOLEAN, False),
    "mustRun": _in_place(BOOLEAN, True),
    "removeVolumes": _in_place(BOOLEAN, True),
    "start": _in_place(BOOLEAN, True),
    "wait": _in_place(BOOLEAN, False),
    "waitTimeout": _in_place(INTEGER, 60),
}
# What `docker update` changes in a container that is there.
UPDATABLE = {
    "cpuPeriod": _limit(INTEGER),
    "cpuQuota": _limit(INTEGER),
    "cpuSet": _limit(STRING),
    "cpuShares": _limit(INTEGER),
    "deviceReadBps": _objects("path rate", "path rate", replaces=False, removal_replaces=True),
    "deviceReadIops": _objects("path rate", "path rate", replaces=False, removal_replaces=True),
    "deviceWriteBps": _objects("path rate", "path rate", replaces=False, removal_replaces=True),
    "deviceWriteIops": _objects("path rate", "path rate", replaces=False, removal_replaces=True),
    "maxRetryCount": _in_place(INTEGER, 0),
    "memory": _limit(INTEGER),
    "memoryReservation": _limit(INTEGER),
    "memorySwap": _limit(INTEGER),
    "restart": _in_place(STRING, "no"),
}
FIXED = {
    "capabilities": Property(Kind.OBJECT, fields=frozenset({"adds", "drops"})),
    "cgroupParent": Property(STRING, default=""),
    "cgroupnsMode": Property(STRING, default=""),
    "command": Property(STRINGS, ordered=True),
    "cpus": Property(STRING, default=""),
    "deviceCgroupRules": Property(STRINGS),
    "deviceRequests": _objects("capabilities count deviceIds driver options"),
    "devices": _objects("containerPath hostPath permissions", "hostPath", field_defaults={"permissions": "rwm"}),
    "dns": Property(STRINGS),
    "dnsOpts": Property(STRINGS),
    "dnsSearches": Property(STRINGS),
    "domainname": Property(STRING, default=""),
    "entrypoints": Property(STRINGS, ordered=True),
    "envs": Property(STRINGS),
    "gpus": Property(STRING, default=""),
    "groupAdds": Property(STRINGS),
    "healthcheck": Property(
        Kind.OBJECT,
        ordered=True,
        fields=frozenset({"interval", "retries", "startInterval", "startPeriod", "tests", "timeout"}),
        field_defaults={"interval": "0s", "startInterval": "0s", "startPeriod": "0s", "timeout": "0s"},
    ),
    "hostname": Property(STRING, default=""),
    "hosts": _objects("host ip", "host ip"),
    "image": Property(STRING, required=True),
    "init": Property(BOOLEAN, default=False),
    "ipcMode": Property(STRING, default=""),
    "labels": _objects("label value", "label value"),
    "logDriver": Property(STRING, default=""),
    "logOpts": Property(MAP),
    "mounts": _objects("bindOptions readOnly source target tmpfsOptions type volumeOptions", "target type"),
    "name": Property(STRING),
    "networkMode": Property(STRING, default="bridge"),
    "networksAdvanced": _objects(
        "aliases driverOpts gwPriority ipv4Address ipv6Address linkLocalIps macAddress name", "name"
    ),
    "pidMode": Property(STRING, default=""),
    "platform": Property(STRING, default=""),
    "ports": _objects(
        "external internal ip protocol", "internal", field_defaults={"ip": EVERY_ADDRESS, "protocol": "tcp"}
    ),
    "privileged": Property(BOOLEAN, default=False),
    "publishAllPorts": Property(BOOLEAN, default=False),
    "readOnly": Property(BOOLEAN, default=False),
    "rm": Property(BOOLEAN, default=False),
    "runtime": Property(STRING, default=""),
    "securityOpts": Property(STRINGS),
    "shmSize": Property(INTEGER, default=0),
    "stdinOpen": Property(BOOLEAN, default=False),
    "stopSignal": Property(STRING, default=""),
    "stopTimeout": Property(INTEGER),
    "storageOpts": Property(MAP),
    "sysctls": Property(MAP),
    "tmpfs": Property(MAP),
    "tty": Property(BOOLEAN, default=False),
    "ulimits": _objects("hard name soft", "hard name soft"),
    "uploads": _objects(
        "content contentBase64 executable file group owner permissions source sourceHash",
        "file",
        secret=frozenset({"content", "contentBase64"}),
    ),
    "user": Property(STRING, default=""),
    "usernsMode": Property(STRING, default=""),
    "volumes": _objects("containerPath fromContainer hostPath readOnly selinuxRelabel volumeName"),
    "workingDir": Property(STRING, default=""),
}
TABLE = LIFECYCLE | UPDATABLE | FIXED

# Inputs that the engine keeps in the same form, under the same path in what it is sent and in what it answers.
CONFIG_NAMES = {
    "command": "Cmd",
    "domainname": "Domainname",
    "entrypoints": "Entrypoint",
    "envs": "Env",
    "hostname": "Hostname",
    "image": "Image",
    "stdinOpen": "OpenStdin",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
    "tty": "Tty",
    "user": "User",
    "workingDir": "WorkingDir",
}
HOST_CONFIG_NAMES = {
    "cgroupParent": "CgroupParent",
    "cgroupnsMode": "CgroupnsMode",
    "cpuPeriod": "CpuPeriod",
    "cpuQuota": "CpuQuota",
    "cpuSet": "CpusetCpus",
    "cpuShares": "CpuShares",
    "deviceCgroupRules": "DeviceCgroupRules",
    "dns": "Dns",
    "dnsOpts": "DnsOptions",
    "dnsSearches": "DnsSearch",
    "groupAdds": "GroupAdd",
    "init": "Init",
    "ipcMode": "IpcMode",
    "pidMode": "PidMode",
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "readOnly": "ReadonlyRootfs",
    "rm": "AutoRemove",
    "runtime": "Runtime",
    "securityOpts": "SecurityOpt",
    "storageOpts": "StorageOpt",
    "sysctls": "Sysctls",
    "tmpfs": "Tmpfs",
    "usernsMode": "UsernsMode",
}
# Megabytes for Pulumi, bytes for the engine.
MEBIBYTE_NAMES = {
    "memory": "Memory",
    "memoryReservation": "MemoryReservation",
    "memorySwap": "MemorySwap",
    "shmSize": "ShmSize",
}
THROTTLE_NAMES = {
    "deviceReadBps": "BlkioDeviceReadBps",
    "deviceReadIops": "BlkioDeviceReadIOps",
    "deviceWriteBps": "BlkioDeviceWriteBps",
    "deviceWriteIops": "BlkioDeviceWriteIOps",
}
# Fields of nested objects.
DEVICE_NAMES = {"hostPath": "PathOnHost", "containerPath": "PathInContainer", "permissions": "CgroupPermissions"}
DEVICE_REQUEST_NAMES = {"driver": "Driver", "count": "Count", "deviceIds": "DeviceIDs", "options": "Options"}
ULIMIT_NAMES = {"name": "Name", "soft": "Soft", "hard": "Hard"}
THROTTLE_FIELDS = {"path": "Path", "rate": "Rate"}
MOUNT_NAMES = {"target": "Target", "source": "Source", "type": "Type", "readOnly": "ReadOnly"}
TMPFS_NAMES = {"sizeBytes": "SizeBytes", "mode": "Mode"}
HEALTH_DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "startPeriod": "StartPeriod",
    "startInterval": "StartInterval",
}
ENDPOINT_ADDRESSES = {"ipv4Address": "IPv4Address", "ipv6Address": "IPv6Address", "linkLocalIps": "LinkLocalIPs"}
