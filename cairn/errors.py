"""The one error that cairn's clients raise for what a user can mend; its text says how."""


class CairnError(RuntimeError):
    """Something is missing or wrong outside of the program: no stack, no engine, no answer."""
