"""`python3 -m workloads.tracking`: the image's command."""

import logging
import os
import sys

from workloads.tracking import server
from workloads.tracking.settings import read

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
try:
    settings = read(os.environ)
except (ValueError, RuntimeError) as error:
    sys.exit(f"tracking: {error}")
server.run(settings)
