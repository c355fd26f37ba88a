"""The one exception whose text is meant for the person at the terminal."""


class UsageError(Exception):
    """Something the caller can mend: one line saying what is wrong, and the remedy."""
