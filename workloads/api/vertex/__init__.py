"""Google's Vertex AI surface as data: its messages (messages.py) and methods (methods.py), from one descriptor set."""

from pathlib import Path
from typing import Final, Literal

Version = Literal["v1", "v1beta1"]
VERSIONS: Final[tuple[Version, ...]] = ("v1", "v1beta1")
DESCRIPTORS: Final = Path(__file__).with_name("vertex.binpb.gz")
