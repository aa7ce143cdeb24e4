"""The docker provider over docker-py: Container, Image, RemoteImage, Tag, Network and Volume of pulumi-docker's schema."""
