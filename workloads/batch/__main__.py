"""`python3 -m workloads.batch`: the image's command."""

import sys

from workloads.batch.driver import main

sys.exit(main())
