"""`python3 -m workloads.database`: the image's command."""

from workloads.database.server import main

main()
