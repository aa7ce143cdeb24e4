"""Random secrets, made once and kept encrypted in the stack's state."""

import pulumi
import pulumi_random as random

LENGTH = 40  # letters and digits: 238 bits


def create(name: str, opts: pulumi.ResourceOptions) -> random.RandomPassword:
    """A password without special characters, so that no URL, shell or config file needs to quote it."""
    return random.RandomPassword(name, length=LENGTH, special=False, opts=opts)
