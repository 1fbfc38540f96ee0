"""Threads for tests: who said what, in order."""

from contract.conversation import Conversation, Speaker, Turn


def ask(text: str, name: str | None = "Ada", *, at: int = 0) -> Turn:
    """Return a person's turn."""
    return Turn(speaker=Speaker.USER, text=text, ts=f"{at:010}.000000", name=name)


def answer(text: str, *, at: int = 0) -> Turn:
    """Return a turn of ours."""
    return Turn(speaker=Speaker.ASSISTANT, text=text, ts=f"{at:010}.000001")


def talk(*texts: str) -> Conversation:
    """Return one person's questions with our answers between them."""
    return tuple(answer(text, at=n) if n % 2 else ask(text, at=n) for n, text in enumerate(texts))
