"""`python3 -m workloads.gateway`: the image's command."""

import sys

from workloads.gateway.agent import main

sys.exit(main())
