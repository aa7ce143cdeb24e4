"""`python3 -m workloads.prediction`: the image's command."""

import sys

from workloads.prediction.server import main

sys.exit(main())
