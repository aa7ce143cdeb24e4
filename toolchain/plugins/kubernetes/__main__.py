"""Entry point of the plugin process; `pulumi plugin install` copies it, the code stays in the installed package."""

from toolchain import lean_proto
from toolchain.plugins.kubernetes import lean_client

lean_proto.install()
lean_client.install()

from toolchain.plugins.common.process import serve  # noqa: E402 (the bare packages come before anything of theirs)
from toolchain.plugins.kubernetes.plugin import kubernetes_plugin  # noqa: E402

serve(kubernetes_plugin())
