"""Message shortcut: a question about a message becomes one job in that message's thread."""

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.asks import texts
from bot.rules import texts as rule_texts
from bot.texts import MEMBERS_ONLY
from contract import keys
from contract.language import Language
from contract.reply_controls import DELETE_ACTION_ID, ReplyAddress, build_controls
from contract.reply_details import ReplyDetails
from testing.polling import poll_until
from testing.queue_inspector import TEAM, job_turns, pending_job_ids
from testing.workspace import ADA, GENERAL, LIN, SAM, STARCHAT, Workspace, message_texts
from tests.bot.handlers.ask_steps import (
    close_channel,
    find_asked,
    list_modals,
    open_form,
    read_modal,
    submit_form,
    submit_refused_form,
    wait_for_asked,
    wait_for_refusal,
    wait_until_settled,
)
from tests.bot.handlers.edit_steps import ask_as_ada

pytestmark = pytest.mark.usefixtures("bot")
QUESTION = "Why *here*? <@U0LIN00001> <!channel> `x < y && z`"


def test_question_about_a_message_becomes_one_job(workspace: Workspace, redis: Redis) -> None:
    """The thread shows who asks what, word for word; the job is the person's."""
    root = workspace.post_message(LIN, GENERAL, "Traceback: ValueError in line 3")
    form = open_form(workspace, root)
    [shown] = [block for block in form["blocks"] if block["type"] == "input"]
    assert shown["element"]["initial_value"] == str(texts.EXPLAIN_ERROR)
    assert submit_form(workspace, form, f"  {QUESTION}\n")["ok"]
    asked, job = wait_for_asked(workspace, redis, root)

    assert form["id"] not in {view["id"] for view in list_modals(workspace)}
    assert (job.user, job.thread.ts) == (ADA, root)
    assert [turn.text for turn in job.turns] == ["Traceback: ValueError in line 3", QUESTION]
    assert [turn.name for turn in job.turns] == ["Lin", "Ada"]
    intro, quote = asked["blocks"][0]["elements"]
    assert [e["text"] for e in intro["elements"]] == ["Ada", " asks about ", "this message", ":"]
    assert [e["text"] for e in quote["elements"]] == [QUESTION]
    assert asked["pings"] == []
    wait_until_settled(redis)
    assert pending_job_ids(redis) == [job.id]


def test_question_in_a_long_thread_points_to_its_message(
    workspace: Workspace, redis: Redis
) -> None:
    """People get a link to the message, and the model its first words."""
    root = workspace.post_message(LIN, GENERAL, "first")
    about = workspace.post_message(LIN, GENERAL, "```x = 1```", root)
    workspace.post_message(SAM, GENERAL, "third", root)
    form = open_form(workspace, about)
    assert form["blocks"][0]["element"]["initial_value"] == str(texts.EXPLAIN_CODE)
    submit_form(workspace, form, "What is x?")
    asked, job = wait_for_asked(workspace, redis, root)

    link = asked["blocks"][0]["elements"][0]["elements"][2]
    assert about.replace(".", "") in link["url"]
    assert job.turns[-1].text == '(about the message "``` x = 1 ```")\nWhat is x?'
    # A follow-up has the question as the person's, from the copy and from Slack.
    later = ask_as_ada(workspace, redis, "@StarChat and y?", root)
    expected = ["Lin", "Lin", "Sam", "Ada", "Ada"]
    assert [name for name, _ in job_turns(redis, GENERAL, later)] == expected
    redis.delete(keys.thread_cache(TEAM, GENERAL, root))
    last = ask_as_ada(workspace, redis, "@StarChat and z?", root)
    assert [name for name, _ in job_turns(redis, GENERAL, last)] == [*expected, "Ada"]


def test_question_about_a_very_long_message_is_taken(workspace: Workspace, redis: Redis) -> None:
    """The thread holds the message; the form and the posted question do not repeat it."""
    long = "x = 1; " * 5_000
    root = workspace.post_message(LIN, GENERAL, long)
    submit_form(workspace, open_form(workspace, root), "Why?")
    asked, job = wait_for_asked(workspace, redis, root)

    assert [turn.text for turn in job.turns] == [long.rstrip(), "Why?"]
    assert len(str(asked["blocks"])) < 1_000


def test_wrong_question_keeps_the_form_open(workspace: Workspace, redis: Redis) -> None:
    """Slack's client refuses empty and too long ones, the bot refuses signs alone."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    for question, sentence in (
        ("", "Please complete this required field."),
        (" \n ?!", str(texts.NO_QUESTION)),
        ("x" * 3_001, "Please enter no more than 3000 characters."),
    ):
        assert submit_form(workspace, form, question)["errors"] == {"question": sentence}
    assert submit_form(workspace, form, "x" * 3_000)["ok"]
    asked, _ = wait_for_asked(workspace, redis, root)

    assert asked["blocks"][0]["elements"][1]["elements"][0]["text"] == "x" * 3_000


def test_form_is_refused_where_the_bot_is_not(workspace: Workspace, redis: Redis) -> None:
    """The form is replaced by a word when it opens, and when it is submitted later."""
    channel = workspace.send_control("create", name="away", members=[ADA])["channel"]
    outside = workspace.post_message(ADA, channel, "a message")
    form = open_form(workspace, outside, channel)
    wait_for_refusal(workspace, form, str(texts.NOT_IN_CHANNEL))

    workspace.send_control("invite", channel=channel, user=STARCHAT)
    form = open_form(workspace, outside, channel)
    workspace.send_control("kick", channel=channel, user=STARCHAT)
    submit_refused_form(workspace, form, str(texts.NOT_IN_CHANNEL))
    assert not redis.exists(keys.ask_schedule(TEAM))


def test_form_of_a_person_who_left_is_refused(workspace: Workspace, redis: Redis) -> None:
    """A person asks only where the person is a member."""
    channel = workspace.send_control("create", name="left", members=[ADA, LIN, STARCHAT])["channel"]
    root = workspace.post_message(LIN, channel, "a message")
    form = open_form(workspace, root, channel)
    workspace.send_control("kick", channel=channel, user=ADA)
    submit_refused_form(workspace, form, str(texts.ASKER_NOT_IN_CHANNEL))
    assert not redis.exists(keys.ask_schedule(TEAM))


def test_form_about_a_deleted_message_is_refused(workspace: Workspace) -> None:
    """Nothing is posted into a thread that is gone."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    workspace.delete_message(LIN, GENERAL, root)
    submit_refused_form(workspace, form, str(texts.MESSAGE_GONE))


def test_rules_count_when_the_form_is_submitted(workspace: Workspace, redis: Redis) -> None:
    """A channel that was closed in between posts nothing and answers nothing."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    with close_channel(workspace, redis):
        submit_form(workspace, form, "Why?")

    assert str(rule_texts.CHANNEL_CLOSED) in read_modal(workspace, form)
    assert workspace.bot_replies(GENERAL, root) == []


def test_person_of_another_workspace_is_refused(workspace: Workspace) -> None:
    """The settings say who may ask; the form says so."""
    workspace.send_control("person", id="U0EVE00001", name="Eve", team="T0OTHER001")
    workspace.send_control("invite", channel=GENERAL, user="U0EVE00001")
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root, user="U0EVE00001")

    wait_for_refusal(workspace, form, str(MEMBERS_ONLY), user="U0EVE00001")


def test_person_with_many_questions_waits(workspace: Workspace, redis: Redis) -> None:
    """The quota is that of all questions; nothing is posted beyond it."""
    for _ in range(8):
        workspace.post_message(SAM, GENERAL, "@StarChat hi")
    poll_until(lambda: len(pending_job_ids(redis)) == 8, description="the jobs")
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root, user=SAM)
    submit_form(workspace, form, "Why?", user=SAM)

    assert "You have 8 questions waiting" in read_modal(workspace, form, SAM)
    assert workspace.bot_replies(GENERAL, root) == []


def test_slack_that_does_not_answer_keeps_the_form_open(workspace: Workspace, redis: Redis) -> None:
    """What was typed stays, and the next press works."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    workspace.set_faults({"method": "conversations.members", "fault": "ratelimited"})
    answer = submit_form(workspace, form, "Why?")
    workspace.set_faults()

    assert answer["errors"] == {"question": str(texts.CHECK_FAILED)}
    redis.delete(*redis.keys("starchat:*:rate_limit:*"))
    assert submit_form(workspace, form, "Why?")["ok"]
    wait_for_asked(workspace, redis, root)


def test_question_that_slack_refuses_to_post_is_told(workspace: Workspace, redis: Redis) -> None:
    """The person reads that nothing was asked, and Redis keeps nothing of it."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    workspace.set_faults(
        {"method": "chat.postMessage", "fault": "error", "error": "restricted_action"}
    )
    submit_form(workspace, form, "Why?")
    wait_until_settled(redis)
    workspace.set_faults()

    poll_until(
        lambda: str(texts.ASK_NOT_POSTED) in message_texts(workspace.read_messages(GENERAL, root)),
        description="the word",
    )
    assert find_asked(workspace, GENERAL, root) == []


def test_delete_takes_the_question_with_the_reply(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """The person cannot delete a message of the bot, so the button does; other messages stay."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    submit_form(workspace, open_form(workspace, root), "Why?")
    asked, _ = wait_for_asked(workspace, redis, root)
    address = ReplyAddress(thread_ts=root, ts=asked["ts"], asker=ADA)
    reply = web.chat_postMessage(
        channel=GENERAL,
        thread_ts=root,
        text="an answer",
        blocks=list(
            build_controls(
                address,
                ReplyDetails(reply_id="0a", seed=1),
                is_direct=False,
                language=Language.ENGLISH,
            )
        ),
        metadata={
            "event_type": keys.METADATA_EVENT_TYPE,
            "event_payload": {"part": 1, "question": asked["ts"], "state": "final"},
        },
    )
    press = {"user": ADA, "channel": GENERAL, "ts": reply["ts"], "action_id": DELETE_ACTION_ID}
    workspace.post_json("_page/click", press)

    poll_until(lambda: not find_asked(workspace, GENERAL, root), description="the deletion")
    assert next(m["ts"] for m in workspace.read_messages(GENERAL, root)) == root
    assert reply["ts"] not in [m["ts"] for m in workspace.read_messages(GENERAL, root)]


def test_question_for_an_archived_channel_is_told_directly(
    workspace: Workspace, redis: Redis
) -> None:
    """Slack takes no ephemeral word there either."""
    channel = workspace.send_control("create", name="old", members=[ADA, LIN, STARCHAT])["channel"]
    root = workspace.post_message(LIN, channel, "a message")
    form = open_form(workspace, root, channel)
    workspace.send_control("archive", channel=channel)
    assert submit_form(workspace, form, "Why?")["ok"]
    wait_until_settled(redis)

    direct = workspace.open_dm(ADA, STARCHAT)
    poll_until(
        lambda: str(texts.ASK_NOT_POSTED) in message_texts(workspace.read_messages(direct)),
        description="the word",
    )


def test_question_refused_after_its_post_is_deleted(workspace: Workspace, redis: Redis) -> None:
    """The rules changed before Slack took the message; the person reads why."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    form = open_form(workspace, root)
    workspace.set_faults({"method": "chat.postMessage", "fault": "drop_before"})
    assert submit_form(workspace, form, "Why?")["ok"]
    with close_channel(workspace, redis):
        workspace.set_faults()
        # A bot tries again when the lease is over.
        redis.zadd(keys.ask_schedule(TEAM), {form["id"]: 0}, xx=True)
        wait_until_settled(redis)

    poll_until(lambda: not find_asked(workspace, GENERAL, root), description="the deletion")
    word = str(rule_texts.CHANNEL_CLOSED)
    poll_until(
        lambda: any(word in t for t in message_texts(workspace.read_messages(GENERAL, root))),
        description="the word",
    )
    assert pending_job_ids(redis) == []


def test_form_that_slack_no_longer_opens_is_told(workspace: Workspace) -> None:
    """A trigger is valid for three seconds."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    workspace.set_faults({"method": "views.open", "fault": "error", "error": "expired_trigger_id"})
    chosen = {"user": LIN, "channel": GENERAL, "ts": root, "callback_id": "ask_about_message"}
    workspace.post_json("_page/shortcut", chosen)

    def has_word() -> bool:
        shown = message_texts(workspace.read_messages(GENERAL, root, LIN))
        return str(texts.FORM_EXPIRED) in shown

    poll_until(has_word, description="the word")
    workspace.set_faults()
