"""The docker provider over docker-py: containers, images, tags, networks and volumes of pulumi-docker's schema."""
