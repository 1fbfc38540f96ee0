"""Asked questions in both databases: recorded without text, found by votes, and dropped."""

import json
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from bot.asked_before.terms import Terms, read_terms
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.asked_questions import (
    LikeAnswer,
    drop_unanswered_questions,
    find_like_answers,
    list_asked_channels,
    record_question,
)
from bot.records.database import Records
from bot.records.purge import PurgeScope
from bot.records.rules import ChangeRequest, RuleStore
from bot.records.tables import asked_questions, signature_keys
from bot.records.votes import ReplyKey, VotedReply, add_press
from bot.rules.channel_rules import ChannelRules
from contract.job import Thread

TEXT = "How do I sort a list of names in Python?"
LIKE = "Python: sorting a list of names, please"
WORDY = "What is a good and easy way to sort a list of names in Python?"
AUTHOR, LIN, SAM = "U1", "U2", "U3"
NUMBERS = count(1)


def read(text: str) -> Terms:
    """Return the terms of a question."""
    terms = read_terms(text)
    assert terms is not None
    return terms


def make_thread(ts: str, channel: str = "C1", team: str = "T1") -> Thread:
    """Return the thread of a question at `ts`."""
    return Thread(team=team, channel=channel, ts=ts)


def record(records: Records, thread: Thread, text: str = TEXT) -> None:
    """Record a question of the author's."""
    use = partial(record_question, thread=thread, ts=thread.ts, user=AUTHOR, terms=read(text))
    records.write(use)


def vote(
    records: Records, thread: Thread, user: str, mark: Mark = Mark.RAN, question: str = ""
) -> None:
    """Mark the reply to a thread's first question, or to the one at `question`."""
    question = question or thread.ts
    key = ReplyKey(thread.team, thread.channel, f"{question}1", "0a")
    reply = VotedReply(thread.ts, json.dumps({"question_ts": question}))
    press = Press(ts=f"{next(NUMBERS)}.0", kind=PressKind.SET, mark=mark)
    records.write(partial(add_press, key=key, user=user, press=press, reply=reply))


def find(records: Records, text: str = LIKE, channel: str = "C1", team: str = "T1") -> list[str]:
    """Return the questions that are found for a new one, the best first."""
    thread = make_thread("900.0", channel, team)
    use = partial(find_like_answers, thread=thread, ts=thread.ts, terms=read(text))
    return [answer.question_ts for answer in records.read(use)]


def count_rows(connection: Connection) -> tuple[int, ...]:
    """Count keys and questions."""
    tables = (signature_keys, asked_questions)
    return tuple(
        connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
    )


def test_question_is_found_once_a_colleague_marked_its_answer(records: Records) -> None:
    """The mark of its author is not enough, and the question itself is no like one."""
    thread = make_thread("1.0")
    assert find(records) == []
    record(records, thread)
    record(records, thread)
    assert records.read(count_rows) == (1, 1)
    vote(records, thread, AUTHOR)
    assert find(records) == []
    vote(records, thread, LIN)
    use = partial(find_like_answers, thread=thread, ts="900.0", terms=read(LIKE))
    [found] = records.read(use)

    assert found == LikeAnswer(thread, "1.0", AUTHOR, "1.01", "0a", 1, found.similarity)
    assert found.similarity >= 0.5
    assert find(records, "How do I sort a list of names in Java?") == []
    use = partial(find_like_answers, thread=thread, ts="1.0", terms=read(LIKE))
    assert records.read(use) == []


def test_votes_against_an_answer_outweigh(records: Records) -> None:
    """As many as ✓ are allowed. Votes on a later reply of the thread say nothing."""
    thread = make_thread("1.0")
    record(records, thread)
    vote(records, thread, LIN, question="5.0")
    assert find(records) == []
    vote(records, thread, LIN)
    vote(records, thread, SAM, Mark.DOWN)
    assert find(records) == ["1.0"]
    vote(records, thread, AUTHOR, Mark.DOWN)
    assert find(records) == []


def test_answers_are_ordered(records: Records) -> None:
    """By similarity, then by the number of marks, then the newest first."""
    for ts, text, users in (
        ("1.0", LIKE, [LIN]),
        ("2.0", WORDY, [LIN, SAM]),
        ("3.0", WORDY, [LIN]),
        ("4.0", WORDY, [LIN]),
    ):
        record(records, make_thread(ts), text)
        for user in users:
            vote(records, make_thread(ts), user)

    assert find(records) == ["1.0", "2.0", "4.0", "3.0"]


def test_facts_of_another_version_are_no_reason_to_fail(records: Records) -> None:
    """A damaged row neither."""
    record(records, make_thread("1.0"))
    for number, facts in enumerate(("{}", "[]", "{")):
        key = ReplyKey("T1", "C1", f"1.{number}", "0a")
        press = Press(ts="1.0", kind=PressKind.SET, mark=Mark.RAN)
        use = partial(add_press, key=key, user=LIN, press=press, reply=VotedReply("1.0", facts))
        records.write(use)

    assert find(records) == []


@pytest.mark.parametrize(
    "scope",
    [
        PurgeScope("T1"),
        PurgeScope("T1", "C1"),
        PurgeScope("T1", "C1", thread_ts="1.0"),
        PurgeScope("T1", "C1", message_ts="1.0"),
        PurgeScope("T1", "C1", message_ts="1.01"),
    ],
    ids=["uninstall", "forget channel", "forget thread", "question", "reply"],
)
def test_deletions_withdraw(records: Records, scope: PurgeScope) -> None:
    """Question or reply; nothing of a deleted question stays, and no key of a removed team."""
    record(records, make_thread("1.0"))
    vote(records, make_thread("1.0"), LIN)
    assert find(records) == ["1.0"]
    records.purge(scope)

    assert find(records) == []
    if scope.message_ts != "1.01":
        assert records.read(count_rows) == (0 if scope == PurgeScope("T1") else 1, 0)


def test_rule_that_is_switched_off_withdraws(records: Records) -> None:
    """In its channel alone, in the same transaction; switching it on again brings nothing back."""
    store = RuleStore(records)
    for channel in ("C1", "C2"):
        record(records, make_thread("1.0", channel))
        vote(records, make_thread("1.0", channel), LIN)
    for version, is_on in enumerate((True, False, True)):
        request = ChangeRequest("T1", "C1", AUTHOR, f"V{version}", "1.0")
        store.save_rules(request, ChannelRules(asked_before=is_on), version)

    channels = records.read(partial(list_asked_channels, team="T1"))
    assert (channels, find(records)) == (["C2"], ["1.0"])


def test_old_questions_without_a_mark_are_dropped(records: Records) -> None:
    """Those that ran for someone stay with their votes."""
    for ts in ("1.0", "2.0", "3.0"):
        record(records, make_thread(ts))
    vote(records, make_thread("2.0"), LIN)

    assert records.write(partial(drop_unanswered_questions, before_ts="3.0")) == 1
    assert find(records) == ["2.0"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["T1", "T2", "T3"]), st.sampled_from(["C1", "C2"])), max_size=6
    )
)
def test_no_question_crosses_workspaces(records: Records, places: list[tuple[str, str]]) -> None:
    """Each team finds its own questions, also in channels with the same id."""
    for team in ("T1", "T2", "T3"):
        records.purge(PurgeScope(team))
    for number, (team, channel) in enumerate(places, 1):
        thread = make_thread(f"{number}.0", channel, team)
        record(records, thread)
        vote(records, thread, LIN)

    for team in ("T1", "T2", "T3"):
        own = {f"{number}.0" for number, (one, _) in enumerate(places, 1) if one == team}
        assert set(find(records, team=team)) == own
