"""Bringing stacks up and down with the Pulumi CLI."""
