"""The gateway: HAProxy in front of everything, and an agent beside it that turns the routes' table into its configuration."""
