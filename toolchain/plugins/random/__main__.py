"""Entry point of the plugin process; `pulumi plugin install` copies it, the code stays in the installed package."""

from toolchain import lean_proto

lean_proto.install()

from toolchain.plugins.common.process import serve  # noqa: E402 (the bare packages come before anything of pulumi)
from toolchain.plugins.random.plugin import random_plugin  # noqa: E402

serve(random_plugin())
