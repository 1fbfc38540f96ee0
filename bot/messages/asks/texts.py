"""Sentences about questions that people ask by a form."""

from typing import Final

from contract.language import Phrase

FORM_TITLE: Final = Phrase("Ask StarChat")
FORM_LABEL: Final = Phrase("Your question")
FORM_SUBMIT: Final = Phrase("Ask")
FORM_CLOSE: Final = Phrase("Cancel")
FORM_NOTE: Final = Phrase("I'll post your question in the message's thread and answer it there.")
INTRO: Final = Phrase("{name} asks about {message}:")
INTRO_LABEL: Final = Phrase("this message")
EXPLAIN_MESSAGE: Final = Phrase("Explain this message.")
EXPLAIN_CODE: Final = Phrase("Explain this code.")
EXPLAIN_ERROR: Final = Phrase("Explain this error and suggest a fix.")
NO_QUESTION: Final = Phrase("Please write a question.")
QUESTION_TOO_LONG: Final = Phrase(
    "Your question is too long. Please shorten it to 3,000 characters."
)
NOT_IN_CHANNEL: Final = Phrase(
    "I'm not in this conversation, so I can't read the message or answer there. In a channel, "
    "invite me with `/invite` and ask again."
)
MESSAGE_GONE: Final = Phrase(
    "I can't find that message. It was deleted, or only you can see it. Copy its text into a "
    "direct message to me, and ask there."
)
ASKER_NOT_IN_CHANNEL: Final = Phrase(
    "You aren't a member of this channel, so I can't post your question there. Join it and ask "
    "again."
)
CHECK_FAILED: Final = Phrase("Slack didn't answer me in time. Please press Ask again in a moment.")
FORM_UNREADABLE: Final = Phrase(
    "I can't read this form, so I asked nothing. Please open the message's menu again."
)
ASK_NOT_POSTED: Final = Phrase(
    "I couldn't post your question in that thread: Slack doesn't let me write there now. "
    "Please ask me in a direct message."
)
