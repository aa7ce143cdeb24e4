"""`python3 -m workloads.object_store`: the image's command."""

from workloads.object_store.server import main

main()
