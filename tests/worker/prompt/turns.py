"""Conversations for tests."""

from contract.conversation import Conversation, Speaker, Turn


def user_turn(text: str, name: str | None = "Ada", *, at: int = 0) -> Turn:
    """Return a user's turn."""
    return Turn(speaker=Speaker.USER, text=text, ts=f"{at:010}.000000", name=name)


def assistant_turn(text: str, *, at: int = 0) -> Turn:
    """Return an assistant's turn."""
    return Turn(speaker=Speaker.ASSISTANT, text=text, ts=f"{at:010}.000001")


def alternate_turns(*texts: str) -> Conversation:
    """Return a user's questions with the assistant's answers between them."""
    return tuple(
        assistant_turn(text, at=n) if n % 2 else user_turn(text, at=n)
        for n, text in enumerate(texts)
    )
