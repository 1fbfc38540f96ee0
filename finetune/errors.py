"""Errors of the commands, with one line for the operator."""


class FinetuneError(Exception):
    """A command cannot do its work. The message is one line for the operator."""
