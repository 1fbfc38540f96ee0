"""Sentences about the wording of a reply: what was checked, and why a reply is covered."""

import pytest

from contract.language import Language
from testing.slack_parser import context_texts, model_text
from worker.render import ReplyFacts, parse_reply
from worker.render.compose import compose_reply
from worker.render.wording import FalseRate, Wording, compose_cover

RATE = FalseRate(2, 196)
FACTS = ReplyFacts("m", "stop", 256)


@pytest.mark.parametrize(
    ("wording", "said"),
    [
        (Wording(), ""),
        (Wording(in_list=False), "Its wording was compared with a list."),
        (Wording(is_flagged=False), "Its wording was classified."),
        (Wording(is_unanswered=True), "Its wording was not checked."),
        (
            Wording(in_list=False, is_flagged=False),
            "Its wording was compared with a list and classified.",
        ),
        (
            Wording(in_list=False, is_unanswered=True),
            "Its wording was compared with a list; the classifier gave no answer.",
        ),
    ],
)
def test_footer_says_what_was_checked_of_the_wording(wording: Wording, said: str) -> None:
    """Nothing found is no promise, and a check that is off is not mentioned."""
    reply = compose_reply(parse_reply("Yes.", facts=FACTS), {}, wording, facts=FACTS)
    footer = context_texts(reply.parts[0])[-1]

    assert footer.endswith(f"Its facts were not checked. {said}".rstrip())


def test_cover_names_the_checks_with_their_false_alarms() -> None:
    """It has nothing of the reply."""
    both = Wording(in_list=True, is_flagged=True, list_rate=RATE)
    message = compose_cover(both, Language.ENGLISH)

    [line] = context_texts(message)
    assert line == (
        "This reply is covered. Flagged by this workspace's word list (it flags 2 of 196 innocent "
        "texts), this workspace's classifier (false alarms not measured). The person who asked can "
        "show it here within a day."
    )
    assert model_text([message]) == ""
    chinese = compose_cover(Wording(is_flagged=True, classifier_rate=RATE), Language.CHINESE)
    assert "196 条无害文本中误标 2 条" in chinese.text


def test_shown_reply_says_why_it_was_covered() -> None:
    """The label stays below it."""
    found = Wording(in_list=True, is_flagged=False, list_rate=RATE)
    reply = compose_reply(parse_reply("Damn.", facts=FACTS), {}, found, facts=FACTS)

    assert model_text(reply.parts) == "Damn."
    assert context_texts(reply.parts[0])[0].startswith(
        "Shown at the request of who asked. Flagged by"
    )
