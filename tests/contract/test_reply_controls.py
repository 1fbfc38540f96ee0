"""Controls below a finished reply, and the details that they carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.code_verdicts import MAX_VERDICTS, CodeVerdict, VerdictKind
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from contract.language import Language
from contract.reply_controls import (
    ReplyAddress,
    ReplyVersions,
    build_controls,
    build_pointer_controls,
)
from contract.reply_details import (
    MAX_COUNT,
    MAX_REVISION_CHARACTERS,
    MAX_SEED,
    MAX_VALUE_CHARACTERS,
    ReplyDetails,
    derive_seed,
    limit_count,
    shorten_line,
)
from contract.reply_rules import MAX_CANDIDATES
from contract.rework import Rework, ReworkKind

ADDRESS = ReplyAddress(thread_ts="1.0", ts="2.0", asker="U1")
FULL_DETAILS = ReplyDetails(
    reply_id="f" * 16,
    model="é" * 240,
    revision='"' * MAX_REVISION_CHARACTERS,
    device="c" * 40,
    dtype="d" * 40,
    seed=MAX_SEED,
    temperature=99.123456789,
    top_k=MAX_COUNT,
    top_p=0.123456789123,
    verdicts=tuple(
        CodeVerdict(
            kind=VerdictKind.UNFINISHED, code="c" * 20, line=10**6, why="w" * 12, blocks=10**6
        )
        for _ in range(MAX_VERDICTS)
    ),
    verdicts_left_out=MAX_COUNT,
    is_reproducible=True,
    scores=(None,) * MAX_CANDIDATES,
    candidate=MAX_CANDIDATES - 1,
    chosen=MAX_CANDIDATES - 1,
).model_copy(
    update=dict.fromkeys(
        (
            *("max_new_tokens", "prompt_tokens", "new_tokens", "left_out_turns"),
            *("shortened_turns", "files_read", "files_left_out", "wait_ms"),
            *("first_text_ms", "total_ms", "gpu_ms", "hints", "hidden_secrets"),
        ),
        MAX_COUNT,
    )
)


def test_only_the_asker_sees_the_controls() -> None:
    """In a direct message, everyone of it does."""
    actions, quiet = build_controls(
        ADDRESS, ReplyDetails(), is_direct=False, language=Language.ENGLISH
    )
    [details], [_, delete] = actions["elements"], quiet["elements"]
    assert (delete["value"], delete["visible_to_user_ids"]) == ("1.0 2.0 U1", ["U1"])
    assert (details["value"], details["visible_to_user_ids"]) == ("1.0 2.0 U1 {}", ["U1"])
    for block in build_controls(ADDRESS, ReplyDetails(), is_direct=True, language=Language.ENGLISH):
        assert not any("visible_to_user_ids" in element for element in block["elements"])


def test_pointer_has_no_controls_of_a_text() -> None:
    """Everyone sees *Answer anyway*; the asker alone deletes the reply."""
    actions, quiet = build_pointer_controls(
        ADDRESS, "0a", is_direct=False, language=Language.ENGLISH
    )
    [anyway], [delete] = actions["elements"], quiet["elements"]
    assert (anyway["action_id"], anyway["value"]) == ("anyway_reply", "1.0 2.0 U1 0a")
    assert "visible_to_user_ids" not in anyway
    assert (delete["action_id"], delete["visible_to_user_ids"]) == ("delete_reply", ["U1"])
    _, quiet = build_pointer_controls(ADDRESS, "0a", is_direct=True, language=Language.ENGLISH)
    assert "visible_to_user_ids" not in quiet["elements"][0]


def test_everyone_may_vote() -> None:
    """*It ran* and *Current code* are there if there is code; a reply may have no id."""
    details = ReplyDetails(reply_id="0a")
    actions, quiet = build_controls(
        ADDRESS, details, is_direct=False, has_code=True, language=Language.ENGLISH
    )
    ran, code = actions["elements"][:2]
    feedback = quiet["elements"][0]
    sides = [feedback["positive_button"]["value"], feedback["negative_button"]["value"]]

    assert ran["value"] == "ran 1.0 2.0 U1 0a"
    assert sides == ["up 1.0 2.0 U1 0a", "down 1.0 2.0 U1 0a"]
    assert (code["action_id"], code["value"]) == ("current_code", "1.0 2.0 U1")
    assert "visible_to_user_ids" not in ran | code | feedback
    _, plain = build_controls(ADDRESS, ReplyDetails(), is_direct=False, language=Language.ENGLISH)
    assert plain["elements"][0]["positive_button"]["value"] == "up 1.0 2.0 U1 -"


def test_address_and_details_come_back() -> None:
    """The value of a button holds both."""
    details = ReplyDetails(reply_id="0a", model="m", seed=7, temperature=0.2)
    assert ReplyDetails.from_value(details.to_value()) == details
    assert ReplyDetails.from_value('{"a later fact": 1}') == ReplyDetails()
    assert ReplyAddress.from_value(ADDRESS.to_value()) == ADDRESS


def test_the_longest_details_fit_a_button() -> None:
    """Slack refuses a longer value."""
    [actions, _] = build_controls(ADDRESS, FULL_DETAILS, is_direct=False, language=Language.ENGLISH)
    assert len(actions["elements"][0]["value"]) <= MAX_VALUE_CHARACTERS
    assert ReplyDetails.from_value(FULL_DETAILS.to_value()) == FULL_DETAILS


@pytest.mark.parametrize(
    "value",
    [
        *("", "null", "[]", "{", '{"seed": "1"}', '{"seed": -1}', '{"top_p": NaN}'),
        *('{"model": "a\\nb"}', '{"model": "\\u202e"}', '{"new_tokens": 1e999}'),
        *('{"reply_id": "<!channel>"}', '{"model": "' + "x" * 3_000 + '"}'),
    ],
)
def test_forged_details_are_refused(value: str) -> None:
    """The error quotes nothing of them."""
    with pytest.raises(ValueError, match=r"^not the details of a reply$"):
        ReplyDetails.from_value(value)


@given(st.text(max_size=300))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    """It is a valid field of the details."""
    line = shorten_line(text)
    assert ReplyDetails(model=line).model == line


def test_counts_stay_within_their_bounds() -> None:
    """A clock may step."""
    assert [limit_count(n) for n in (-1.0, 2.6, 1e12)] == [0, 3, MAX_COUNT]
    assert shorten_line("word " * 9, 8) == "word wo…"


def test_each_candidate_has_the_next_seed() -> None:
    """All seeds follow from one, in both directions, and stay within their bounds."""
    assert [derive_seed(MAX_SEED, number) for number in (0, 1, 2)] == [MAX_SEED, 0, 1]
    assert derive_seed(0, -1) == MAX_SEED


def list_labels(reply_id: str, versions: ReplyVersions) -> list[str]:
    """Return the labels of the plain buttons."""
    actions, _ = build_controls(
        ADDRESS,
        ReplyDetails(reply_id=reply_id),
        versions,
        is_direct=False,
        language=Language.ENGLISH,
    )
    return [element["text"]["text"] for element in actions["elements"]]


def test_buttons_are_those_that_can_do_something() -> None:
    """A reply of an older worker has no id, so nothing can be done with it."""
    assert list_labels("", ReplyVersions()) == ["Details"]
    assert list_labels("0a", ReplyVersions()) == ["Regenerate", "Details"]
    whole = ReplyVersions(is_cut=True, has_previous=True)
    assert list_labels("0a", whole) == ["Regenerate", "Continue", "Previous", "Details"]
    several = ReplyVersions(has_others=True)
    assert list_labels("0a", several) == ["Regenerate", "Show another", "Details"]


def test_address_of_a_job_is_that_of_its_reply() -> None:
    """Thread, question and asker."""
    thread = Thread(team="T1", channel="C1", ts="1.0")
    turn = Turn(speaker=Speaker.USER, text="?", ts="2.0")
    job = Job(thread=thread, ts="2.0", user="U1", user_team="T1", turns=(turn,))
    assert ReplyAddress.from_job(job) == ADDRESS
    assert "rework" not in job.to_json()
    rework = Rework(kind=ReworkKind.REGENERATE, reply_id="0a")
    asked = job.model_copy(update={"rework": rework})
    assert Job.from_json(asked.to_json()) == asked
