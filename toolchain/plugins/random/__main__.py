"""Entry point of the plugin process; `pulumi plugin install` copies it, the code stays in the installed package."""

from toolchain import lean_proto

lean_proto.install()

from toolchain.plugins.common.process import serve
from toolchain.plugins.random.plugin import random_plugin

serve(random_plugin())
