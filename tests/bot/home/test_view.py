"""Home tab: within Slack's limits, in the person's language, and with nothing of others."""

import json
from dataclasses import replace

import pytest

from bot import texts
from bot.home import texts as home_texts
from bot.home.view import (
    LANGUAGE_OF_SLACK,
    AdminFacts,
    AskedQuestion,
    MemberFacts,
    PersonalUse,
    View,
    build_link,
    build_view,
)
from bot.messages.votes.model_votes import ModelVotes
from contract.job import Thread
from contract.language import Language, Translatable
from contract.usage import sum_days
from contract.worker_status import WorkerStatus
from fakeslack.state.views import validate_view

TODAY = 20_787
URL = "https://acme.slack.com/"
THREAD = Thread(team="T1", channel="C1", ts="1796016832.829667")
QUESTION = AskedQuestion(THREAD, "1796016999.000100", f"{URL}archives/C1/p1?a=1&b=2")
USE = PersonalUse(
    week=sum_days([{"gpu_ms": "61000", "replies": "12"}]),
    today=sum_days([{"gpu_ms": "12400"}]),
    day=TODAY,
    budget_seconds=600,
    open_questions=2,
)
TEAM_WEEK = sum_days([{"gpu_ms": "7200000", "replies": "1500", "wait_2": "9", "wait_60": "4"}])
FACTS = MemberFacts(
    status=texts.status_text(0, (), None),
    use=USE,
    team_week=TEAM_WEEK,
    questions=[QUESTION],
    choice=None,
)
IDLE = WorkerStatus(reported_at=1.0, slots=4, busy_slots=1)
ADMIN = AdminFacts(
    today=sum_days([{"gpu_ms": "90000", "replies": "31"}]),
    pending=3,
    workers=(IDLE, IDLE.model_copy(update={"loading": True})),
    settings=[("STARCHAT_GUESTS", "allow")],
    rules_compared_at=1_796_000_000.5,
    votes=[ModelVotes("/models/tuned*<!here>", "0123456789ab", 4, 1, 2, 5, 6)],
)


def show_view(facts: MemberFacts | Translatable, language: Language = Language.ENGLISH) -> str:
    """Return all texts of a valid view."""
    view = validate_view(build_view(facts, language, votes_keep_text=False), "home")
    assert len(json.dumps(view)) < 20_000
    return "\n".join(_list_texts(view))


def _list_texts(view: View) -> list[str]:
    return [
        str(part["text"]["text"] if isinstance(part["text"], dict) else part["text"])
        for block in view["blocks"]
        for part in (block, *block.get("elements", []))
        if "text" in part
    ]


def find_select(facts: MemberFacts, language: Language = Language.ENGLISH) -> View:
    """Return the choice of a language."""
    blocks = build_view(facts, language, votes_keep_text=True)["blocks"]
    [select] = [block["accessory"] for block in blocks if "accessory" in block]
    assert isinstance(select, dict)
    return select


def test_member_sees_state_use_and_questions() -> None:
    """Each number has its unit; the reset is a time that Slack shows in the person's zone."""
    shown = show_view(FACTS)

    for words in (
        "No worker is running",
        "2 questions of yours are waiting or being answered.",
        "*Your last seven days:* 12 replies, 61 s of GPU time.",
        f"Today you have used 12 of your 600 s. You get a new share {texts.describe_reset(TODAY)}.",
        "*Everyone's last seven days:* 1,500 replies, 7,200 s of GPU time.",
        "Half of the replies began within 2 seconds.",
    ):
        assert words in shown
    assert "For administrators" not in shown


def test_question_is_a_link_in_its_time() -> None:
    """The channel is named by Slack, the address is escaped, and there is no text of it."""
    shown = show_view(FACTS)
    link = f"{URL}archives/C1/p1?a=1&amp;b=2"
    date = f"<!date^1796016999^{{date_short_pretty}}, {{time}}^{link}|1796016999.000100>"
    assert f"• <#C1> · {date}" in shown

    direct = THREAD.model_copy(update={"channel": "D1"})
    shown = show_view(replace(FACTS, questions=[AskedQuestion(direct, "1.2", "")]))
    assert "• direct message · <!date^1^{date_short_pretty}, {time}|1.2>" in shown


def test_long_list_is_cut() -> None:
    """Ten questions are shown, within the 3,000 characters of a section."""
    thread = THREAD.model_copy(update={"channel": "C" * 20})
    link = build_link(f"https://{'a' * 60}.enterprise.slack.com/", thread, "1796016999.000100")
    many = [AskedQuestion(thread, "1796016999.000100", link)] * 11
    shown = show_view(replace(FACTS, questions=many))

    assert shown.count("•  <#") + shown.count("• <#") == 10
    assert str(home_texts.MORE_QUESTIONS) in shown
    assert str(home_texts.MORE_QUESTIONS) not in show_view(replace(FACTS, questions=many[:10]))


@pytest.mark.parametrize("facts", [FACTS, home_texts.QUEUE_AWAY, texts.MEMBERS_ONLY])
def test_everyone_can_read_the_notice_of_research(facts: MemberFacts | Translatable) -> None:
    """It is there without other facts too, in both languages."""
    for language, words in ((Language.ENGLISH, "research only"), (Language.CHINESE, "教学和研究")):
        assert words in show_view(facts, language)


def test_new_member_sees_no_numbers_that_mean_nothing() -> None:
    """No questions, no budget, and no median without replies."""
    none = sum_days([])
    use = replace(USE, week=none, today=none, budget_seconds=0, open_questions=0)
    shown = show_view(replace(FACTS, use=use, team_week=none, questions=[]))

    assert "0 replies, 0 s" in shown
    assert str(home_texts.NO_QUESTIONS) in shown
    for words in ("Today you have used", "Half of the replies", "of yours", "Clear this list"):
        assert words not in shown


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "within 1 second."),
        (30, "within 30 seconds."),
        (60, "within 1 minute."),
        (600, "10 min"),
    ],
)
def test_median_wait_has_a_fitting_unit(seconds: int, expected: str) -> None:
    """Up to a minute in seconds."""
    assert expected in str(home_texts.describe_median_wait(seconds))


def test_language_can_be_chosen() -> None:
    """The present choice is selected; each language is named in itself."""
    select = find_select(FACTS)
    assert [option["value"] for option in select["options"]] == [LANGUAGE_OF_SLACK, *Language]
    assert select["initial_option"]["value"] == LANGUAGE_OF_SLACK
    chosen = find_select(replace(FACTS, choice=Language.CHINESE))
    assert chosen["initial_option"]["text"]["text"] == "简体中文"


def test_administrator_sees_sums_workers_and_settings() -> None:
    """No person and no text is among them."""
    shown = show_view(replace(FACTS, admin=ADMIN))
    for words in (
        "Workers: 1 ready, 1 loading. Slots: 1 of 4 busy.",
        "Replies today: 31. GPU time today: 90 s. Unanswered questions: 3.",
        (
            "*tuned&lt;!here&gt; 01234567*, votes of seven days: 4 👍, 1 👎, ran for 2. "
            "Of 6 code blocks that a parser has read, 5 parse."
        ),
        "`STARCHAT_GUESTS=allow`",
        "last compared with the database <!date^1796000000^{date_short_pretty}, {time}|1796000000>",
    ):
        assert words in shown
    without = show_view(replace(FACTS, admin=replace(ADMIN, workers=(), settings=[("A", "`<b>")])))
    assert "No worker is running.\nReplies today" in without
    assert "`A=&lt;b&gt;`" in without
    unread = show_view(replace(FACTS, admin=replace(ADMIN, rules_compared_at=None)))
    assert "The rules of channels haven't been read from the database yet." in unread


def test_refused_person_sees_the_limits_alone() -> None:
    """A guest learns what this is, and why there is no more."""
    shown = show_view(texts.MEMBERS_ONLY)
    assert str(texts.MEMBERS_ONLY) in shown
    assert str(home_texts.LIMITS) in shown
    assert "GPU time" not in shown


def test_person_learns_whether_votes_keep_what_people_write() -> None:
    """A training needs it: without it, there is none."""
    assert str(home_texts.NOT_TRAINED) in show_view(FACTS)
    shown = "\n".join(_list_texts(build_view(FACTS, Language.ENGLISH, votes_keep_text=True)))
    assert str(home_texts.VOTES_KEEP_TEXT) in shown
    assert str(home_texts.NOT_TRAINED) not in shown


@pytest.mark.parametrize(
    ("url", "ts", "expected"),
    [
        ("", THREAD.ts, ""),
        (URL, THREAD.ts, f"{URL}archives/C1/p1796016832829667"),
        (
            URL,
            "1796016999.000100",
            f"{URL}archives/C1/p1796016999000100?thread_ts=1796016832.829667&cid=C1",
        ),
    ],
)
def test_link_is_built_as_slack_builds_it(url: str, ts: str, expected: str) -> None:
    """Without a call; a reply's link names its thread."""
    assert build_link(url, THREAD, ts) == expected
