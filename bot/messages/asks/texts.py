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
FORM_EXPIRED: Final = Phrase(
    "Slack closed the form before I could show it, so I asked nothing. Please choose it again in "
    "the message's menu."
)
ASK_NOT_POSTED: Final = Phrase(
    "I couldn't post your question: Slack doesn't let me write there now. Please ask me in a "
    "direct message."
)
INTRO_PRIVATE: Final = Phrase("You asked in {channel}:")
INTRO_DIRECT: Final = Phrase("You asked:")
INTRO_SHARED: Final = Phrase("{name} shares a question and my answer:")
SHARE_BUTTON: Final = Phrase("Share in channel")
SHARED_IN: Final = Phrase("Shared in {channel}.")
ASKED_PRIVATELY: Final = Phrase(
    "I'm answering in your direct message with me. Only you can see it, until you share it."
)
NO_PRIVATE_QUESTION: Final = Phrase("Please write your question after `/starchat ask`.")
DIRECT_MESSAGE_FORBIDDEN: Final = Phrase(
    "I can't open a direct message with you: I lack the permission `im:write`. An administrator "
    "can add it. Until then, open my profile and write to me there."
)
DIRECT_MESSAGE_FAILED: Final = Phrase(
    "Slack didn't let me open a direct message with you, so I asked nothing. Please try again, or "
    "open my profile and write to me there."
)
ANSWER_NOT_READY: Final = Phrase(
    "I'm still answering. Please press the button again when my answer is complete."
)
ANSWER_NOT_KEPT: Final = Phrase(
    "I no longer keep that answer, so I can't share it. Please ask again, or copy it yourself."
)
SHARE_UNREADABLE: Final = Phrase("I can't read that question any more, so I shared nothing.")
SHARE_FAILED: Final = Phrase(
    "Slack didn't answer me in time, so I shared nothing. Please press the button again."
)
