"""Pointer to an earlier answer: a sentence with a date and a link, and a name that stays text."""

import pytest

from contract.earlier_answer import EarlierAnswer
from contract.language import Language
from worker.render import compose_pointer

LINK = "https://example.slack.com/archives/C1/p1"
EARLIER = EarlierAnswer(author_name="Ada", asked_at=1_793_700_000, num_ran=2, permalink=LINK)


def list_elements(earlier: EarlierAnswer, language: Language = Language.ENGLISH) -> list[object]:
    """Return the elements of the only paragraph."""
    [block] = compose_pointer(earlier, language).blocks
    [section] = block["elements"]
    return list(section["elements"])


def test_sentence_holds_a_date_and_a_link() -> None:
    """Slack writes the date as each reader's client does, and the link is no text to unfurl."""
    assert list_elements(EARLIER) == [
        {"type": "text", "text": "Ada"},
        {"type": "text", "text": " asked much the same on "},
        {
            "type": "date",
            "timestamp": 1_793_700_000,
            "format": "{date}",
            "fallback": "2026-11-03",
        },
        {"type": "text", "text": "; 2 colleagues marked the answer ✓ → "},
        {"type": "link", "url": LINK, "text": "see that answer"},
        {"type": "text", "text": ". Answer anyway?"},
    ]
    assert compose_pointer(EARLIER, Language.ENGLISH).text == (
        "Ada asked much the same on 2026-11-03; 2 colleagues marked the answer ✓ → "
        "see that answer. Answer anyway?"
    )


def test_number_and_language_choose_the_words() -> None:
    """One colleague is no plural, and Chinese has another order of words."""
    one = EARLIER.model_copy(update={"num_ran": 1})
    assert "1 colleague marked" in compose_pointer(one, Language.ENGLISH).text
    chinese = list_elements(EARLIER, Language.CHINESE)
    assert [element["type"] for element in chinese] == [  # type: ignore[index]
        *("text", "text", "date", "text", "link", "text")
    ]
    assert "2 位同事" in compose_pointer(EARLIER, Language.CHINESE).text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!channel> *x* :wave:", "<!channel> *x* :wave:"),
        ("{count}\ue002\ue001", "{count}\ue002\ue001"),
        ("a\u202eb\nc\x00", "a⟨U+202E⟩b c"),
        ("\n", "A colleague"),
    ],
)
def test_name_is_literal_text(name: str, shown: str) -> None:
    """It neither pings nor formats, nor takes the place of date and link."""
    earlier = EARLIER.model_copy(update={"author_name": name})
    elements = list_elements(earlier)
    assert elements[0] == {"type": "text", "text": shown}
    assert len(elements) == 6
    assert "<" not in compose_pointer(earlier, Language.ENGLISH).text
