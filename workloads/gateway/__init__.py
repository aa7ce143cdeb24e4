"""The gateway: HAProxy in front of everything, and an agent that turns the table of routes into its configuration."""
