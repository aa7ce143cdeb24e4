"""What a plan answers instead of containers. The API shows the text to its caller as INVALID_ARGUMENT."""


class InvalidWish(ValueError):
    """The wish can't be planned on this stack; the text says what is wrong, where, and what to do."""
