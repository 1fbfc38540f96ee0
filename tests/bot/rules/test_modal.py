"""Form of a channel's rules: valid for Slack, and without what the operator has locked."""

import pytest

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.modal import build_message_modal, build_modal
from bot.rules.submission import FormAddress
from bot.rules.texts import FORM_LABELS, describe_conflict
from contract.job import Streaming
from contract.language import Language, Phrase
from contract.reply_rules import MAX_PROMPT_CHARACTERS
from fakeslack.state.views import validate_view
from testing.language_checks import find_english

ADDRESS = FormAddress("C0GENERAL1", 7)
FULL = ChannelRules(
    who=WhoMayAsk.LIST,
    users=("U0ADA00001", "B0DEPLOY01"),
    group="S0GROUP001",
    prompt="p" * MAX_PROMPT_CHARACTERS,
    max_new_tokens=64,
    temperature=0.5,
    top_k=0,
    top_p=1,
    candidates=4,
    without_mention=True,
    streaming=Streaming.OFF,
    language=Language.CHINESE,
    asked_before=True,
)


def find_elements(view: dict[str, object]) -> dict[str, dict[str, object]]:
    """Return the inputs of a form by the rules that they belong to."""
    blocks: list[dict[str, dict[str, object]]] = view["blocks"]  # type: ignore[assignment]
    return {str(block["block_id"]): block["element"] for block in blocks if "element" in block}


def test_forms_are_valid_for_slack() -> None:
    """Empty, full, with a note, and a modal with a sentence."""
    note = describe_conflict("U1A", ("who", "users"), FULL)
    for view in (
        build_modal(ADDRESS, DEFAULT_RULES, language=Language.ENGLISH),
        build_modal(ADDRESS, FULL, locked=["who"], notes=[note], language=Language.ENGLISH),
        build_message_modal(Phrase("A sentence."), Language.ENGLISH),
    ):
        assert validate_view(view, "modal")


def test_small_number_is_shown_in_digits() -> None:
    """Python writes 0.00001 with an exponent."""
    rules = ChannelRules(temperature=0.00001, top_p=1e-7)
    elements = find_elements(build_modal(ADDRESS, rules, language=Language.ENGLISH))

    assert elements["temperature"]["initial_value"] == "0.00001"
    assert elements["top_p"]["initial_value"] == "0.0000001"


def test_form_shows_the_present_rules() -> None:
    """Every rule has an input."""
    elements = find_elements(build_modal(ADDRESS, FULL, language=Language.ENGLISH))

    assert list(elements) == list(FORM_LABELS)
    assert elements["who"]["initial_option"]["value"] == "list"  # type: ignore[index]
    assert elements["users"]["initial_users"] == ["U0ADA00001"]
    assert elements["prompt"]["initial_value"] == FULL.prompt
    assert elements["top_k"]["initial_value"] == "0"
    assert "initial_options" in elements["without_mention"]
    assert "initial_options" in elements["asked_before"]
    assert elements["streaming"]["initial_option"]["value"] == "off"  # type: ignore[index]
    assert elements["language"]["initial_option"]["value"] == "zh_CN"  # type: ignore[index]


def test_locked_rules_are_named_and_not_asked() -> None:
    """The file of the operator has the last word."""
    view = build_modal(ADDRESS, FULL, locked=["who", "prompt"], language=Language.ENGLISH)

    assert not {"who", "prompt"} & find_elements(view).keys()
    assert "Set in `channels.toml`: who may ask, what I'm told here." in str(view["blocks"])


def test_typed_values_stay_above_newer_rules() -> None:
    """A person who has typed much loses nothing by a conflict."""
    view = build_modal(
        ADDRESS,
        FULL,
        typed={"prompt": "mine", "top_k": None, "who": None},
        language=Language.ENGLISH,
    )
    elements = find_elements(view)

    assert elements["prompt"]["initial_value"] == "mine"
    assert "initial_value" not in elements["top_k"]
    assert "initial_option" not in elements["who"]


def test_conflict_says_who_changed_what() -> None:
    """And what the rules are now, within Slack's limit."""
    people = tuple(f"U{n:063d}" for n in range(100))
    long = describe_conflict("U1A", ("users",), ChannelRules(who=WhoMayAsk.LIST, users=people))
    note = describe_conflict("U1A", ("who",), ChannelRules(who=WhoMayAsk.NO_ONE))

    assert str(note).startswith(
        "<@U1A> has changed these rules since you opened the form: who may ask."
    )
    assert "• I answer no questions here." in str(note)
    assert len(str(long)) < 3_000


@pytest.mark.parametrize("rules", [DEFAULT_RULES, FULL])
def test_form_is_in_the_language_of_its_reader(rules: ChannelRules) -> None:
    """Labels, hints and choices; a language has its own name in every form."""
    view = build_modal(ADDRESS, rules, language=Language.CHINESE, locked=["who"])

    assert find_english(view) == []
    assert "English" in str(view)
    assert validate_view(view, "modal")
