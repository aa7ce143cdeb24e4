"""The provider's settings: `kubernetes:*` of the stack, the arguments of kubernetes.Provider, and the environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties

# Settings that the environment may give as well, under the official plugin's names.
FROM_ENVIRONMENT = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
}
# Taken and without effect: what they silence or tune is not there.
WITHOUT_EFFECT = frozenset(
    {
        "alwaysRender",
        "clusterIdentifier",
        "helmReleaseSettings",
        "kubeClientSettings",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "strictMode",
        "version",
        "pluginDownloadURL",
    }
)


@dataclass(frozen=True)
class Settings:
    """What the plugin was told; `kubeconfig` is a path or the content itself."""

    kubeconfig: str = field(default="", repr=False)
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    patch_force: bool = False
    upsert: bool = False
    mutable_config_maps: bool = False
    mutable_secrets: bool = False

    @classmethod
    def read(cls, given: Properties, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the provider's arguments; ProviderError for what this plugin can't do."""
        if given.get("renderYamlToDirectory"):
            raise ProviderError(
                "kubernetes: renderYamlToDirectory is not here: Cairn's plugin applies to a cluster. Take the setting "
                "away, or use the official plugin kubernetes 4.34.2"
            )
        if not _switch(given, "enableServerSideApply", environment, default=True):
            raise ProviderError(
                "kubernetes: enableServerSideApply: false is not here: Cairn's plugin knows server-side apply only. "
                "Take the setting away, or use the official plugin kubernetes 4.34.2"
            )
        return cls(
            **{name: str(given.get(name) or "") for name in ("kubeconfig", "context", "cluster", "namespace")},
            delete_unreachable=_switch(given, "deleteUnreachable", environment),
            skip_update_unreachable=_switch(given, "skipUpdateUnreachable", environment),
            patch_force=_switch(given, "enablePatchForce", environment),
            upsert=_switch(given, "upsertExistingObjects", environment),
            mutable_config_maps=_switch(given, "enableConfigMapMutable", environment),
            mutable_secrets=_switch(given, "enableSecretMutable", environment),
        )


def _switch(given: Properties, name: str, environment: Mapping[str, str], default: bool = False) -> bool:
    value = given.get(name, environment.get(FROM_ENVIRONMENT[name]))
    if value in (None, ""):
        return default
    # Nested settings come as JSON text, and so do booleans.
    value = json.loads(value.lower()) if isinstance(value, str) and value.lower() in ("true", "false") else value
    if not isinstance(value, bool):
        raise ProviderError(f"kubernetes: {name} has to be true or false, not {value}")
    return value
