"""Words beside replies: the place in line, and prompts that a person can choose."""

from typing import Final

from contract.language import Phrase, PluralPhrase, Translatable

PROMPTS_TITLE: Final = Phrase("What can I help you with?")
PROMPTS: Final = (
    (
        Phrase("Write a function"),
        Phrase("Write a Python function that checks whether a string is a palindrome."),
    ),
    (Phrase("Explain an idea"), Phrase("What is a mutex, and when do I need one?")),
    (Phrase("Find a mistake"), Phrase("Why is 0.1 + 0.2 not equal to 0.3 in JavaScript?")),
)
"""Title and message of each prompt. Slack sends the message that is chosen, so it is complete."""
HELP_PROMPT: Final = (Phrase("See what I can do"), "help")
"""The fourth prompt: Slack shows four. Its message is a command."""


def describe_place(ahead: int) -> Translatable:
    """Tell how many questions are ahead, behind the app's name."""
    if not ahead:
        return Phrase("will answer your question next.")
    return PluralPhrase(
        "will answer your question after 1 other.",
        "will answer your question after {count} others.",
        ahead,
    )
