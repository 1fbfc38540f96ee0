"""Footer of a reply: one line that names the model, and what was and was not checked of it."""

from collections.abc import Sequence
from typing import Final

from contract.code_verdicts import CodeVerdict, VerdictKind
from contract.language import Phrase, Translatable
from contract.reply_details import shorten_line
from contract.texts import join_sentences
from worker.render.wording import NOT_CHECKED, Wording

MAX_NAME_CHARACTERS: Final = 32
"""The line has room for so much of a model's name; *Details* has more of it."""
UNKNOWN_MODEL: Final = Phrase("an unknown model")
NOTHING_CHECKED: Final = Phrase("Nothing in it was checked.")
FACTS_UNCHECKED: Final = Phrase("Its facts were not checked.")
CODE_PARSED: Final = Phrase("Its code was parsed, but not run or reviewed.")
CODE_BROKEN: Final = Phrase("Its code does not parse, and was not run.")
CODE_UNPARSED: Final = Phrase("Its code was neither parsed nor run.")


def compose_footer(
    model: str, verdicts: Sequence[CodeVerdict] | None, wording: Wording = NOT_CHECKED
) -> Translatable:
    """
    Return the line below a reply, from the verdicts on its code; `None` if nothing was checked.

    A check that was made is named beside what it leaves open, so that no line sounds like a
    promise.
    """
    name = shorten_line(model.rstrip("/").rpartition("/")[2], MAX_NAME_CHARACTERS)
    author = Phrase(
        "Written by {model}, a research model. It may be wrong or insecure.",
        model=name or UNKNOWN_MODEL,
    )
    checks = NOTHING_CHECKED if verdicts is None else _describe_checks(verdicts)
    about_wording = wording.describe_checks()
    return join_sentences(author, checks, *([about_wording] if about_wording else []))


def _describe_checks(verdicts: Sequence[CodeVerdict]) -> Translatable:
    blocks = sum(verdict.blocks for verdict in verdicts)
    parsed = sum(verdict.blocks for verdict in verdicts if verdict.is_parsed)
    if not blocks:
        return FACTS_UNCHECKED
    broken = sum(verdict.blocks for verdict in verdicts if verdict.kind is VerdictKind.BROKEN)
    if broken == blocks == 1:
        return CODE_BROKEN
    if broken:
        return Phrase(
            "Code blocks that do not parse: {broken} of {blocks}. None was run.",
            broken=broken,
            blocks=blocks,
        )
    if parsed == blocks:
        return CODE_PARSED
    if not parsed:
        return CODE_UNPARSED
    return Phrase(
        "{parsed} of {blocks} code blocks were parsed, and none was run.",
        parsed=parsed,
        blocks=blocks,
    )
