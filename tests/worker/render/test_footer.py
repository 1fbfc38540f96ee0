"""Footer of a reply: one line that tells what was and what was not checked of this reply."""

import pytest

from contract.language import Language
from testing.checked_replies import compose_checked
from testing.slack_parser import context_texts
from worker.render import Message, ReplyFacts, compose_final, compose_plain
from worker.render.footer import MAX_NAME_CHARACTERS, compose_footer

FACTS = ReplyFacts("HuggingFaceH4/starchat-beta", "stop", 256)
AUTHOR = "Written by starchat-beta, a research model. It may be wrong or insecure. "
MAX_LINE_CHARACTERS = 160
GOOD, BROKEN = "```python\nx = 1\n```\n", "```python\nx = = 1\n```\n"
UNKNOWN, UNFINISHED = "```sql\nSELECT 1;\n```\n", "```python\nx = 1"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"
SAID = {
    "Yes.": "Its facts were not checked.",
    "": "Its facts were not checked.",
    TABLE: "Its facts were not checked.",
    GOOD: "Its code was parsed, but not run or reviewed.",
    BROKEN: "Its code does not parse, and was not run.",
    "```\nnpm install express\n```": "Its code was parsed, but not run or reviewed.",
    "```python\nimport os\nos.system('rm -rf ' + input())\n```": (
        "Its code was parsed, but not run or reviewed."
    ),
    UNKNOWN: "Its code was neither parsed nor run.",
    UNFINISHED: "Its code was neither parsed nor run.",
    GOOD + UNKNOWN: "1 of 2 code blocks were parsed, and none was run.",
    GOOD + GOOD + BROKEN + UNKNOWN + UNFINISHED: (
        "Code blocks that do not parse: 1 of 5. None was run."
    ),
}
"""What the footer says about the checks of each reply."""


def read_footer(parts: tuple[object, ...]) -> str:
    """Return the last sentence below the last message of a reply."""
    return context_texts([part for part in parts if isinstance(part, Message)][-1])[-1]


@pytest.mark.parametrize(("text", "said"), SAID.items())
def test_footer_names_the_checks_of_this_reply(text: str, said: str) -> None:
    """A drawn table is no code, and a block without an end is not parsed."""
    assert read_footer(compose_checked(text, facts=FACTS).parts) == AUTHOR + said


def test_checks_without_an_answer_are_no_checks() -> None:
    """No finding came back: the children are dead, hang, or there is none."""
    assert read_footer(compose_final(GOOD, facts=FACTS)).endswith("neither parsed nor run.")
    assert read_footer(compose_plain(GOOD, facts=FACTS)) == AUTHOR + "Nothing in it was checked."


def test_hidden_secret_is_no_check_of_the_rest() -> None:
    """Another line tells of the masks."""
    facts = ReplyFacts("m", "stop", 256, hidden_secrets=1)
    (message,) = compose_final("<secret:token:1>", facts=facts)

    assert context_texts(message)[0] == "1 value that looks like a secret is hidden."
    assert read_footer((message,)).endswith("Its facts were not checked.")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("text", SAID)
def test_footer_is_one_line_and_promises_nothing(text: str, language: Language) -> None:
    """No check is worded as a promise."""
    facts = ReplyFacts("m" * 200 + "\nx", "stop", 256, language=language)
    line = read_footer(compose_checked(text, facts=facts).parts)

    assert line.isprintable()
    assert len(line) <= MAX_LINE_CHARACTERS
    assert not [word for word in (" safe", "correct", "verified", "安全的", "正确") if word in line]


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("HuggingFaceH4/starchat-beta", "starchat-beta"),
        ("/srv/models/starchat/", "starchat"),
        ("", "an unknown model"),
        ("a\nb\u202e", "a b"),
        ("m" * 99, "m" * (MAX_NAME_CHARACTERS - 1) + "…"),
    ],
)
def test_footer_has_a_short_name_of_the_model(model: str, shown: str) -> None:
    """A directory's path is nothing for readers."""
    assert str(compose_footer(model, ())).startswith(f"Written by {shown}, a research model.")


def test_footer_speaks_chinese() -> None:
    """Chinese has no space between sentences."""
    facts = ReplyFacts("m", "stop", 256, language=Language.CHINESE)

    assert read_footer(compose_checked(GOOD + UNKNOWN, facts=facts).parts) == (
        "由研究用模型 m 撰写，内容可能有误或不安全。2 个代码块中有 1 个检查过语法，均未运行。"
    )
