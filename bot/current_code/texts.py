"""Sentences about the current code of a thread."""

from typing import Final

from contract.language import Phrase, PluralPhrase, Translatable

CODE_RUNNING: Final = Phrase(
    "I'm already putting this thread's code together. It will appear in the thread."
)
CODE_MISSING: Final = Phrase(
    "I found no code in my replies in this thread that I could put together."
)
CODE_UNREADABLE: Final = Phrase(
    "I couldn't read this thread, so I can't put its code together. Please try again later."
)
CODE_NOT_ALLOWED: Final = Phrase(
    "Slack doesn't allow me to share files here, so I can't show the code. An administrator can "
    "give me the permission `files:write`."
)
CODE_NOT_SHARED: Final = Phrase(
    "Slack didn't take the files with the code. Please try again in a few minutes."
)
HEADING: Final = Phrase(
    "The current code of this thread, put together from my replies. I haven't run it, so read it "
    "before you do."
)
REQUESTER_LINE: Final = Phrase("{user} asked for it, and can delete it by the reaction 🗑.")
FILE_LINE: Final = Phrase("• `{file}`, changed for {people}")
PERSON: Final = Phrase("{name} (“{question}”)")
DIFF_LINE: Final = Phrase(
    "   `{file}` is the difference to what was posted. To apply it: `patch -p0 -i {argument}`"
)
MASKED_LINE: Final = Phrase(
    "   There is no difference to what was posted: I masked secrets in it, so it wouldn't apply."
)
RECODED_LINE: Final = Phrase(
    "   There is no difference to what was posted: it has a byte order mark, so it might not apply."
)


def describe_more_changes(count: int) -> Translatable:
    """Return how many earlier changes are not listed."""
    return PluralPhrase("{count} earlier change", "{count} earlier changes", count)


def describe_unclear(count: int, file: str) -> Translatable:
    """Tell how many blocks have no clear place in a file, and the name of the first."""
    return PluralPhrase(
        "   It's unclear where {count} block belongs, so it's beside the file: `{file}`",
        "   It's unclear where {count} blocks belong, so they're beside the file: `{file}` …",
        count,
        file=file,
    )


def describe_examples(count: int) -> Translatable:
    """Tell of how many blocks the examples are not in a file."""
    return PluralPhrase(
        "   The lines of {count} block that only run an example are left out.",
        "   The lines of {count} blocks that only run an example are left out.",
        count,
    )


def describe_open_blocks(count: int) -> Translatable:
    """Tell how many blocks have no end."""
    return PluralPhrase(
        "{count} block has no end and is left out.",
        "{count} blocks have no end and are left out.",
        count,
    )


def describe_others(count: int) -> Translatable:
    """Tell how many blocks are no part of a file."""
    return PluralPhrase(
        "{count} block is left out: it looks like commands, output or an example.",
        "{count} blocks are left out: they look like commands, output or examples.",
        count,
    )


def describe_left_out(count: int) -> Translatable:
    """Tell how many files or blocks did not fit."""
    return PluralPhrase(
        "{count} file or block is left out: there is too much.",
        "{count} files or blocks are left out: there is too much.",
        count,
    )


def describe_unread(count: int) -> Translatable:
    """Tell how many posted files are not known in full."""
    return PluralPhrase(
        "I don't keep the whole text of {count} posted file, so it isn't in here.",
        "I don't keep the whole text of {count} posted files, so they aren't in here.",
        count,
    )


def describe_lost(count: int) -> Translatable:
    """Tell of how many replies the code in files is not kept."""
    return PluralPhrase(
        "I no longer keep the text of {count} reply with code in files, so that isn't in here: "
        "what is here may be older.",
        "I no longer keep the text of {count} replies with code in files, so that isn't in here: "
        "what is here may be older.",
        count,
    )


def describe_covered(count: int) -> Translatable:
    """Tell how many replies with code are covered."""
    return PluralPhrase(
        "{count} reply is covered, so its code isn't in here.",
        "{count} replies are covered, so their code isn't in here.",
        count,
    )
