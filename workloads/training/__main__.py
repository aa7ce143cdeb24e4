"""`python3 -m workloads.training --package-uri gs://… --module trainer.task -- args`: the image's command."""

import sys

from workloads.training.run import main

main(sys.argv[1:])
