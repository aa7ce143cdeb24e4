"""One module per Vertex resource: its checks, its methods beyond create, get, list, update and delete, its HANDLERS."""
