"""Sentences that both processes post to Slack."""

from typing import Final

MODEL_LOADING: Final = (
    "The model is still loading. Your question is queued, and I'll answer it when the model is "
    "ready."
)

QUESTION_TOO_LONG: Final = (
    "Your message is too long for me. Please send only the part that matters."
)
