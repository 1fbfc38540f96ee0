"""Nearly empty messages: a mention, white space, punctuation, an emoji."""

from collections.abc import Iterator
from typing import Final

from tests.adversarial.case import MENTION, Case, CaseOutcome, EntryPoint, build_cases

CATEGORY: Final = "empty"
LIN: Final = "<@U0LIN00001>"

HINT_MESSAGES: Final = {
    "bare": MENTION,
    "blank-behind": f"{MENTION} ",
    "lines-behind": f"{MENTION}\n\n\n",
    "tab-behind": f"{MENTION}\t",
    "hard-space": f"{MENTION}\u00a0\u3000",
    "line-separators": f"{MENTION}\u2028\u2029",
    "twice": f"{MENTION} {MENTION}",
    "comma": f"{MENTION},",
    "colon": f"{MENTION}:",
    "question-mark": f"{MENTION} ?",
    "dots": f"{MENTION} ...",
    "marks": f"{MENTION} ?!?!",
    "labelled": "<@U0STARCHAT|StarChat>",
    "ellipsis": f"{MENTION} …",
    "dash": f"{MENTION} -",
    "zero-width": f"{MENTION} \u200b",
    "empty-fence": f"{MENTION} ```\n```",
    "help": f"{MENTION} Help!",
    "mute": f"{MENTION}: mute",
    "mute-in-code": f"{MENTION} `mute`",
    "bold-help-first": f"*help* {MENTION}",
}
"""Messages that get a hint or the reply of a command."""

IGNORED_MESSAGES: Final = {
    "nothing": "",
    "blank": " ",
    "lines": "\n \n",
    "zero-width-alone": "\u200b",
    "another": LIN,
    "name-without-mention": "StarChat?",
    "escaped-mention": "&lt;@U0STARCHAT&gt; hello",
}

ANSWERED_MESSAGES: Final = {
    "emoji": f"{MENTION} 👍",
    "emoji-name": f"{MENTION} :tada:",
    "ampersand": f"{MENTION} &amp;",
    "both-but-theirs-first": f"{LIN} please ask {MENTION}",
}


def generate_cases() -> Iterator[Case]:
    """Return the category's cases."""
    yield from build_cases(CATEGORY, EntryPoint.TEXT, CaseOutcome.REFUSE, HINT_MESSAGES)
    yield from build_cases(CATEGORY, EntryPoint.TEXT, CaseOutcome.IGNORE, IGNORED_MESSAGES)
    yield from build_cases(CATEGORY, EntryPoint.TEXT, CaseOutcome.ANSWER, ANSWERED_MESSAGES)
