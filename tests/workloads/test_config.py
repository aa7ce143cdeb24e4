"""The platform's settings on their way from infra to the services."""

import json

import pytest

from tests.support.controllers import config
from workloads.config import AcceleratorType, MachineType, PlatformConfig, Toleration


def test_json_and_back() -> None:
    """Nothing is lost, nested settings included, and equal settings are the same text."""
    taint = Toleration("gpu", "Exists", effect="NoExecute", seconds=60)
    full = config(
        machine_types={"m": MachineType(1, 512, 0.1, {"pool": "m"}, (taint,))},
        accelerators={"T4": AcceleratorType(2, 0.35, "amd.com/gpu", {"card": "t4"}, (taint, Toleration("x")))},
        engine="kubernetes",
        replica_domain="workloads",
        balanced=True,
    )
    for settings in (config(), full):
        assert PlatformConfig.from_json(settings.to_json()) == settings
        assert PlatformConfig.from_json(settings.to_json()).to_json() == settings.to_json()


def test_settings_of_an_older_stack() -> None:
    """What was written before machines had nodes is read as before."""
    raw = json.loads(config().to_json())
    for each in [*raw["machine_types"].values(), *raw["accelerators"].values()]:
        del each["node_selector"], each["tolerations"]
    for key in ("engine", "replica_domain", "balanced"):
        del raw[key]
    assert PlatformConfig.from_json(json.dumps(raw)) == config()


@pytest.mark.parametrize(("text", "says"), [("{}", "machine_types"), ("no", "Expecting value"), ("[]", "indices")])
def test_broken(text: str, says: str) -> None:
    """The error names the variable and what is wrong with it."""
    with pytest.raises(ValueError, match=rf"CAIRN_CONFIG is not a platform config: .*{says}"):
        PlatformConfig.from_json(text)
