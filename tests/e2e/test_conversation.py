"""Questions, follow-ups and mentions are answered in their thread."""

import redis

from bot.current_code import texts
from bot.store.asked_questions import AskedQuestions
from bot.store.usage_sums import UsageSums
from contract import keys
from testing.leak_scanner import find_entries, read_all_entries
from testing.memorizing_model import (
    ANSWERS,
    COUNT,
    FOLLOW_UP,
    FOLLOW_UPS,
    GREET,
    HELLO,
    IN_PLACE,
    MUTEX,
    REVERSE,
    UNKNOWN,
)
from testing.polling import poll_until
from testing.product import Product, find_answers
from testing.worker_harness import TEAM, context_text, reply_metadata, reply_text
from testing.workspace import ADA, DEPLOYBOT, GENERAL, LIN, PYTHON, SAM, STARCHAT, Json


def test_mention_is_answered_in_its_thread(product: Product) -> None:
    """A mention in a channel gets one message in its thread."""
    ts, replies = product.ask_question(f"@StarChat {REVERSE}", GENERAL)
    [reply] = replies

    assert reply["thread_ts"] == ts
    assert reply_metadata(reply)["state"] == "final"
    assert "return items[::-1]" in reply_text(replies)
    assert "Written by memorizing-" in context_text(replies)
    assert "may be wrong" in context_text(replies)


def test_code_block_is_shown_unchanged(product: Product) -> None:
    """The reply shows the model's code block unchanged, with its language."""
    _, replies = product.ask_question(f"@StarChat {REVERSE}", GENERAL)
    blocks = [
        element
        for block in replies[0]["blocks"]
        if block["type"] == "rich_text"
        for element in block["elements"]
        if element["type"] == "rich_text_preformatted"
    ]

    assert [block["language"] for block in blocks] == ["python"]
    assert blocks[0]["elements"] == [
        {"type": "text", "text": "def reverse(items):\n    return items[::-1]"}
    ]


def test_follow_up_without_mention_sees_earlier_turns(product: Product) -> None:
    """The reply to a follow-up depends on the earlier turns."""
    for question in (MUTEX, REVERSE):
        ts, _ = product.ask_question(f"@StarChat {question}", GENERAL)
        _, replies = product.ask_question(FOLLOW_UP, GENERAL, ts)

        assert reply_text(replies).strip() == _strip_fences(FOLLOW_UPS[question])


def test_question_during_generation_is_answered_next(product: Product) -> None:
    """Two questions in one thread get two replies in order; the second depends on the first."""
    first = product.workspace.post_message(ADA, GENERAL, f"@StarChat {MUTEX}")
    product.workspace.wait_for_messages(lambda thread: find_answers(thread, first), GENERAL, first)
    second = product.workspace.post_message(ADA, GENERAL, FOLLOW_UP, first)

    early = product.wait_for_answer(GENERAL, first, first)
    late = product.wait_for_answer(GENERAL, first, second)
    assert reply_text(early).strip() == ANSWERS[MUTEX]
    assert reply_text(late).strip() == _strip_fences(FOLLOW_UPS[MUTEX])
    assert float(early[0]["ts"]) < float(late[0]["ts"])


def test_direct_message_needs_no_mention(product: Product) -> None:
    """Every direct message to the bot is a question, answered in its thread."""
    channel = product.workspace.open_dm(ADA, STARCHAT)
    ts, replies = product.ask_question(MUTEX, channel)

    assert reply_text(replies).strip() == ANSWERS[MUTEX]
    assert replies[0]["thread_ts"] == ts


def test_reply_is_charged_and_listed_for_its_user(product: Product) -> None:
    """From the engine's process to the sums that the Home tab shows; without text."""
    channel = product.workspace.open_dm(ADA, STARCHAT)
    with redis.Redis.from_url(product.redis.url) as client:
        sums, prefix = UsageSums(client), keys.channel_usage(TEAM, channel)
        before = sums.read_week(prefix, sums.count_days())
        ts, _ = product.ask_question(GREET, channel)
        used = sums.read_week(prefix, sums.count_days())

        assert used.replies == before.replies + 1
        assert used.gpu_ms > before.gpu_ms
        [(thread, listed), *_] = AskedQuestions(client, TEAM).list_recent(ADA, 1)
        assert (thread.channel, listed) == (channel, ts)


def test_group_message_needs_mention(product: Product) -> None:
    """In a group direct message the bot answers mentions."""
    channel = product.workspace.open_dm(ADA, LIN, STARCHAT)
    _, replies = product.ask_question(f"@StarChat {GREET}", channel)

    assert reply_text(replies).strip() == ANSWERS[GREET]


def test_mention_in_thread_sees_earlier_messages(product: Product) -> None:
    """Earlier messages of people are part of the prompt."""
    root = product.workspace.post_message(ADA, PYTHON, MUTEX)
    _, replies = product.ask_question(f"@StarChat {FOLLOW_UP}", PYTHON, root)

    assert reply_text(replies).strip() != ""
    assert len(replies) == 1


def test_thread_of_several_users_needs_mention(product: Product) -> None:
    """With a second user in the thread, only mentions are answered."""
    ts, _ = product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    unasked = product.workspace.post_message(LIN, GENERAL, "I use one every day.", ts)
    product.workspace.post_message(ADA, GENERAL, GREET, ts)
    _, replies = product.ask_question(f"@StarChat {GREET}", GENERAL, ts, user=LIN)

    assert len(replies) == 1
    assert not any(
        reply_metadata(message).get("question") == unasked
        for message in product.workspace.read_messages(GENERAL, ts)
    )


def test_follow_mode_answers_every_user(product: Product) -> None:
    """After `follow`, the bot answers a second user without a mention."""
    ts, _ = product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    product.workspace.post_message(LIN, GENERAL, "Interesting.", ts)
    product.workspace.post_message(ADA, GENERAL, "@StarChat follow", ts)
    product.wait_for_bot_message(lambda m: "every message in this thread" in m["text"], GENERAL, ts)
    _, replies = product.ask_question(GREET, GENERAL, ts, user=SAM)

    assert len(replies) == 1


def test_message_of_another_bot_is_ignored(product: Product) -> None:
    """A mention by another bot is ignored, and users are answered as before."""
    ts = product.workspace.post_raw(GENERAL, f"<@{STARCHAT}> {MUTEX}", user=DEPLOYBOT)
    product.ask_question(f"@StarChat {MUTEX}", GENERAL)

    assert product.workspace.bot_replies(GENERAL, ts) == []


def test_unknown_question_shows_model_output(product: Product) -> None:
    """The reply shows exactly the model's output."""
    _, replies = product.ask_question("@StarChat Which tea is best?", GENERAL)

    assert reply_text(replies).strip() == UNKNOWN


def test_reply_sends_no_ping_and_no_unfurl(product: Product) -> None:
    """A generated @channel, mention and link stay plain text in every edit."""
    ts, replies = product.ask_question(f"@StarChat {HELLO}", GENERAL)

    assert "<!channel>" in reply_text(replies)
    assert all(not m.get("pings") and not m.get("unfurls") for m in replies)
    sent = [call["args"] for call in product.workspace.api_calls() if ts in str(call["args"])]
    posted = [args for args in sent if "blocks" in args]
    assert posted
    assert all(args.get("unfurl_links") in {False, "false", None} for args in posted)
    assert not any("<!channel>" in str(args.get("text", "")) for args in posted)


def _strip_fences(answer: str) -> str:
    return "\n".join(line for line in answer.split("\n") if not line.startswith("```"))


def test_files_of_the_thread_are_read_and_forgotten(product: Product) -> None:
    """
    Reply and follow-up say what was read of the thread's files; no log holds any of it.

    A deleted file leaves Redis, and the next question no longer refers to it.
    """
    files = [
        {"name": "app.py", "content": "magenta = 1\n" * 3},
        {"name": "shot.png", "base64": "iVBORw0KGgo="},
    ]
    text = f"<@{STARCHAT}> {MUTEX}"
    made = product.workspace.send_control("file", user=ADA, channel=GENERAL, text=text, files=files)
    replies = product.wait_for_answer(GENERAL, made["ts"], made["ts"])
    note = "Read `app.py` (3 lines). I can't read `shot.png`."
    assert note in context_text(replies)
    _, replies = product.ask_question(FOLLOW_UP, GENERAL, made["ts"])
    assert note in context_text(replies)

    with redis.Redis.from_url(product.redis.url) as client:
        assert find_entries(read_all_entries(client), "magenta")
        product.workspace.send_control("delete_file", file=made["files"][0])
        product.bot.wait_for_event("file forgotten")
        poll_until(lambda: not find_entries(read_all_entries(client), "magenta"))
    _, replies = product.ask_question(FOLLOW_UP, GENERAL, made["ts"])
    assert "app.py" not in context_text(replies)
    assert "I can't read `shot.png`." in context_text(replies)
    assert "magenta" not in product.all_logs


def find_shared(product: Product, thread: str) -> list[tuple[str, Json]]:
    """Return the files that the bot has shared in a thread, each with its message's text."""
    return [
        (message["text"], file)
        for message in product.workspace.bot_replies(GENERAL, thread)
        for file in message.get("files") or []
    ]


def test_three_replies_become_files(product: Product) -> None:
    """Bot and worker agree on where the texts of replies are."""
    ts, _ = product.ask_question(f"@StarChat {REVERSE}", GENERAL)
    product.ask_question(COUNT, GENERAL, ts)
    last, messages = product.ask_question(IN_PLACE, GENERAL, ts)
    [reply] = find_answers(messages, last)
    click = {"user": LIN, "channel": GENERAL, "ts": reply["ts"], "action_id": "current_code"}
    product.workspace.post_json("_page/click", click)
    shared = poll_until(
        lambda: found if len(found := find_shared(product, ts)) == 3 else None,
        description="the files",
    )

    assert [(file["title"], file["filetype"], file["preview"]) for _, file in shared] == [
        ("reverse.py", "python", "def reverse(items):\n    return items[::-1]\n"),
        ("code.sql", "sql", "SELECT name, count(*)\nFROM people\nGROUP BY name;\n"),
        ("code.py", "python", "items.reverse()\n"),
    ]
    assert shared[0][0].startswith(str(texts.HEADING))
    assert f"`code.sql`, changed for Ada (“{COUNT}”)" in shared[0][0]
