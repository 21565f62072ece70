"""Losses side by side: one network, one budget, the same pictures.

A user of the public losses, like the chapters, and of torch alone, but for
the pictures of others.
"""


class UsageError(ValueError):
    """An argument or a file that cannot be used; the message says why."""
