"""The split into training and validation: by the hash of the thread alone. Pure."""

import hashlib

from finetune.dialogue_files import Split


def choose_split(thread: str, validation_share: float) -> Split:
    """
    Return the split of a thread.

    No other data have an influence: more threads, or a larger share, never move a thread out of
    the validation data.
    """
    digest = hashlib.sha256(f"split {thread}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return "validation" if place < validation_share else "train"
