"""The protocol without the SDK."""

import subprocess
import sys

PROGRAM = """
from toolchain import lean_proto
lean_proto.install()
from pulumi.runtime.proto import language_pb2_grpc, provider_pb2_grpc
import sys
print(len([name for name in sys.modules if name.startswith("pulumi.") and ".proto" not in name]))
"""


def test_only_the_generated_modules_are_loaded() -> None:
    """Of the SDK, nothing but the bare parents is in the process."""
    said = subprocess.run([sys.executable, "-P", "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "1"  # pulumi.runtime, which is bare
