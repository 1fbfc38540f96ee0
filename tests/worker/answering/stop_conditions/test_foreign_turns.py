"""Foreign turns: a reply that continues as a person is cut there, and no other text is."""

import pytest

from contract.conversation import Speaker, Turn
from worker.answering.stop_conditions.foreign_turns import ForeignTurnFinder
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.render.code_lookup import (
    MAX_BARE_RETURNS,
    MAX_PASS_CHARACTERS,
    MAX_PASSES,
    MAX_READ_CHARACTERS,
    CodeLookup,
)


def build_turn(name: str | None, text: str, speaker: Speaker = Speaker.USER) -> Turn:
    """Return one turn."""
    return Turn(speaker=speaker, text=text, ts="1.0", name=name)


LABELS = TurnLabels.from_turns(
    [
        build_turn("Ada", "How do I lock?"),
        build_turn(" Lin  Wu ", "Lin Wu has one more question."),
        build_turn("ci", "a"),
        build_turn("Note", "a"),
        build_turn("Dev: Ops", "a"),
        build_turn(None, "a"),
        build_turn("StarChat", "Zoe: yes", Speaker.ASSISTANT),
    ]
)
BEFORE = "Use a mutex.\n\n```py\nx = 1\n```\nThat is all."


def build_finder(labels: TurnLabels = LABELS) -> ForeignTurnFinder:
    """Return a finder for a new reply."""
    return ForeignTurnFinder(labels, CodeLookup())


def find_turn(text: str) -> int | None:
    """Return where a whole text is cut; its growth by characters must give the same."""
    whole = build_finder().find_turn(text, is_complete=True)
    growing = build_finder()
    steps = [growing.find_turn(text[:end], is_complete=False) for end in range(len(text) + 1)]
    early = next((found for found in steps if found is not None), None)
    assert early in {whole, None}
    if early is None:
        assert growing.find_turn(text, is_complete=True) == whole
    return whole


@pytest.mark.parametrize(
    "turn",
    [
        "Ada: and what about b?",
        "Ada: Thanks, that works.",
        "Lin Wu: use a lock instead\n\nStarChat: Right.",
        "Dev: Ops: deploy it now",
        "Ada: and b?\nLin Wu: b is fine",
        "ci: why does it fail?",
        "User: And what about b?",
        "Human: I get an error.\n\nAssistant: Then do this.",
        "User: Write a function.\nAssistant: Sure.",
        "User: Write a function.\n\nAssistant: Sure.",
        "### Human: and now?",
        "**User:** can you explain?",
        "<|User|>\nand what about b?",
        "<| user |> and what about b?",
        "<｜user｜>\nb",
        "<|im_start|>user\nb",
        "<|start_header_id|>user<|end_header_id|>\n\nb",
        "<user|>\nb",
        "[|Human|]\nb",
        "<start_of_turn>user\nb",
        "[INST]\nb",
        "<|System|>\nYou obey.",
    ],
)
def test_reply_is_cut_where_it_continues_as_a_person(turn: str) -> None:
    """The cut is at the beginning of the line."""
    assert find_turn(f"{BEFORE}\n\n{turn}") == len(BEFORE) + 2
    assert find_turn(f"{BEFORE}\n\n{turn}\n\nMore words of the model.\n") == len(BEFORE) + 2


@pytest.mark.parametrize(
    "text",
    [
        "Note: Ada: is a name.",
        "Note: please check this.\nWarning: do you see it?",
        "Zoe: and what about b?",
        "see Ada: she knows?",
        "  Ada: indented?",
        "- Ada: writes tests?\n- Lin Wu: reviews?",
        "> Ada: how do I lock?",
        "Ada:\nno words",
        "Ada:x?",
        "Ada: owner\nLin Wu: reviewer",
        "Owner: Ada\nAda: reviewer",
        "Host: db\nUser: postgres\nPassword: secret",
        "User: postgres",
        "User: the account that runs the server",
        "User: my-user@example.com",
        "user: root",
        "ci: true",
        "Here is a dialogue:\n\nAda: how are you?\n\nLin Wu: fine",
        "## Example\n\nUser: how are you?\nAssistant: fine",
        "**Example**\n\nUser: how are you?\nAssistant: fine",
        "```\nUser: how are you?\nAssistant: fine\n```",
        "```yaml\nAda: what?\n",
        "Look at this ```text\nAda: what?\n```",
        "Look at this ```\nAda: what?\n```",
        "```\nx = 1```\n\n```\nAda: what?\n```",
        "services:\n  web:\n    user: a\nAda: what\nother: 1",
        "$ python chat.py\nAda: how are you?\nfine",
        "<|im_start|> marks the beginning of a message.",
        "<user> is a tag?",
        "The token `<|User|>` begins a turn.",
        "Bot: Yes, I can.",
    ],
)
def test_other_text_is_not_cut(text: str) -> None:
    """Fields, notes, lists, quotes, code and introduced examples stay whole."""
    assert find_turn(f"{BEFORE}\n\n{text}") is None
    assert find_turn(f"{BEFORE}\n\n{text}\n\nMore words.\n") is None


@pytest.mark.parametrize("text", ["Ada: how do I lock?", "\n\nUser: hi?\n\nAssistant: hi"])
def test_reply_is_not_cut_at_its_beginning(text: str) -> None:
    """Nothing would remain: it may address a person, or be the dialogue that was asked for."""
    assert find_turn(text) is None


def test_labels_that_people_wrote_may_be_quoted() -> None:
    """A person pasted a transcript, so the reply may contain one."""
    labels = TurnLabels.from_turns(
        [build_turn("Ada", "Format this:\nUser: hi?\nAda: hello?"), build_turn("Lin", "ok")]
    )

    for text in ("User: hi?", "Ada: hello?"):
        assert build_finder(labels).find_turn(f"Done.\n\n{text}", is_complete=True) is None
    assert build_finder(labels).find_turn("Done.\n\nLin: hi?", is_complete=True) == 7


def test_possible_turn_is_not_shown_until_it_is_decided() -> None:
    """A growing reply ends before it; a long paragraph is decided without its end."""
    finder = build_finder()

    assert finder.find_turn("Done.\n\nAda: thanks", is_complete=False) is None
    assert finder.undecided == 7
    assert finder.find_turn("Done.\n\nAda: thanks " + "x " * 300, is_complete=False) == 7


def test_reply_with_doubtful_fences_is_cut_within_bounds() -> None:
    """Each look then takes a pass, so a hostile reply gets only some; then it is not cut."""
    code = "```\nx = 1```\n\n"
    weak = "User: reads it.\n\n"

    assert find_turn(f"{code}{weak}Ada: why?") == len(code + weak)
    assert find_turn(code + weak * MAX_PASSES + "Ada: why?") is None
    assert find_turn(f"{code}{'x' * MAX_PASS_CHARACTERS}\n\nAda: why?") is None


def test_reply_without_line_feeds_is_not_cut() -> None:
    """All of its lines would be read in one step."""
    returns = "\r" * MAX_BARE_RETURNS

    assert find_turn(f"x{returns}\n\nAda: why?") == len(returns) + 3
    assert find_turn(f"x{returns}\r\n\nAda: why?") is None
    assert find_turn(f"x{'y ' * MAX_READ_CHARACTERS}\n\nAda: why?") is None
