"""Stop records and the sentence that they become."""

import pytest

from contract.language import Language
from contract.stop import StopRecord, build_stop_block, select_text_blocks
from contract.texts import describe_stop


def test_record_survives_redis() -> None:
    """User and name are the same after a round trip."""
    record = StopRecord(user="U1", name="Ada")
    assert StopRecord.from_json(record.to_json()) == record
    assert record.label_for("U2", "U2") == "Ada"


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"user": "<!channel>"}', '{"user": 1}'])
def test_malformed_record_still_stops(text: str) -> None:
    """Redis may hold anything: the job stays stopped, without a name."""
    assert str(StopRecord.from_json(text).label_for("U1", "U1")) == "an administrator"


def test_person_without_a_name_has_a_description() -> None:
    """A name that is unknown, or has no visible sign, is never shown as an id."""
    assert str(StopRecord(user="U1").label_for("U1", "U1")) == "the person who asked"
    assert str(StopRecord(user="U2").label_for("U1", "U2")) == "a colleague"
    assert str(StopRecord(user="U1", name="\u202e \n").label_for("U2", "U2")) == "an administrator"


def test_name_cannot_change_the_sentence() -> None:
    """Line ends and bidirectional signs become blanks, and a long name is cut."""
    assert StopRecord(user="U1", name="A\nd\u202ea ").label_for("U1", "U1") == "A d a"
    assert len(str(StopRecord(user="U1", name="a" * 500).label_for("U1", "U1"))) == 80


def test_sentence_counts_tokens() -> None:
    """Without text, no number is given."""
    assert str(describe_stop("Ada")) == "Stopped by Ada."
    assert str(describe_stop("Ada", 1)) == "Stopped by Ada after 1 token."
    assert str(describe_stop("Ada", 1084)) == "Stopped by Ada after 1,084 tokens."


def test_text_of_a_growing_reply_is_kept() -> None:
    """Only the model's text, without the ids that Slack has added; a status has none."""
    text = {"type": "rich_text", "elements": []}
    shown = {
        "metadata": {"event_payload": {"state": "growing"}},
        "blocks": [
            text | {"block_id": "x"},
            {"type": "context"},
            build_stop_block("1.0", "2.0", Language.ENGLISH),
            1,
        ],
    }
    assert select_text_blocks(shown) == [text]
    assert select_text_blocks(shown | {"metadata": None}) == []
    assert select_text_blocks(shown | {"blocks": None}) == []
    assert select_text_blocks(shown | {"metadata": {"event_payload": {"state": "final"}}}) == []


def test_button_names_thread_and_question() -> None:
    """The value is all that the bot needs to find the job."""
    [button] = build_stop_block("1.0", "2.0", Language.ENGLISH)["elements"]
    assert (button["action_id"], button["value"]) == ("stop_reply", "1.0 2.0")
