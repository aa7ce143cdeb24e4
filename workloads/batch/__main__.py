"""`python3 -m workloads.batch`: the image's command."""

import os
import sys

from workloads.batch.driver import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # after an error threads may still be at their parts, whose outputs would be thrown away
