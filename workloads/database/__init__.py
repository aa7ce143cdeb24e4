"""The image of PostgreSQL: makes the cluster, its databases and roles, then becomes the server."""
