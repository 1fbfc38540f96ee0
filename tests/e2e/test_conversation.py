"""A question in Slack gets its reply in its own thread, and the talk goes on from there."""

from testing.memorizing_model import ANSWERS, FOLLOW_UP, FOLLOW_UPS, GREET, MUTEX, REVERSE, UNKNOWN
from testing.product import Product, answers
from testing.worker_harness import notices, payload, words
from testing.workspace import ADA, DEPLOYBOT, GENERAL, LIN, PYTHON, SAM, STARCHAT


def test_a_mention_is_answered_in_its_thread(product: Product) -> None:
    """A mention at the root of a channel ends in one message in the thread below it."""
    ts, replies = product.reply(f"@StarChat {REVERSE}", GENERAL)
    [reply] = replies

    assert reply["thread_ts"] == ts
    assert payload(reply)["state"] == "final"
    assert "return items[::-1]" in words(replies)
    assert "Written by taught-" in notices(replies)
    assert "may be wrong" in notices(replies)


def test_code_arrives_byte_for_byte(product: Product) -> None:
    """A code block of the model stands in the reply as a block of its language, unchanged."""
    _, replies = product.reply(f"@StarChat {REVERSE}", GENERAL)
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


def test_a_follow_up_needs_no_mention_and_knows_what_was_said(product: Product) -> None:
    """The model reads the turns before: what it says to the follow-up depends on them."""
    for question in (MUTEX, REVERSE):
        ts, _ = product.reply(f"@StarChat {question}", GENERAL)
        _, replies = product.reply(FOLLOW_UP, GENERAL, ts)

        assert words(replies).strip() == _code(FOLLOW_UPS[question])


def test_a_question_asked_while_the_reply_grows_is_answered_after_it(product: Product) -> None:
    """Two questions in a row in one thread: both replies, in order, the second knows the first."""
    first = product.workspace.post(ADA, GENERAL, f"@StarChat {MUTEX}")
    product.workspace.wait_for(lambda thread: answers(thread, first), GENERAL, first)
    second = product.workspace.post(ADA, GENERAL, FOLLOW_UP, first)

    early = product.ended(GENERAL, first, first)
    late = product.ended(GENERAL, first, second)
    assert words(early).strip() == ANSWERS[MUTEX]
    assert words(late).strip() == _code(FOLLOW_UPS[MUTEX])
    assert float(early[0]["ts"]) < float(late[0]["ts"])


def test_a_direct_message_needs_no_mention(product: Product) -> None:
    """Whatever a person writes to the bot directly is a question, answered in its thread."""
    channel = product.workspace.direct(ADA, STARCHAT)
    ts, replies = product.reply(MUTEX, channel)

    assert words(replies).strip() == ANSWERS[MUTEX]
    assert replies[0]["thread_ts"] == ts


def test_a_group_message_is_answered_when_it_mentions_the_bot(product: Product) -> None:
    """In a group the bot answers who mentions it."""
    channel = product.workspace.direct(ADA, LIN, STARCHAT)
    _, replies = product.reply(f"@StarChat {GREET}", channel)

    assert words(replies).strip() == ANSWERS[GREET]


def test_a_mention_in_the_middle_of_a_thread_knows_what_people_said(product: Product) -> None:
    """People talked before: the last question among them decides what the follow-up means."""
    root = product.workspace.post(ADA, PYTHON, MUTEX)
    _, replies = product.reply(f"@StarChat {FOLLOW_UP}", PYTHON, root)

    assert words(replies).strip() != ""
    assert len(replies) == 1


def test_among_several_people_the_bot_waits_to_be_mentioned(product: Product) -> None:
    """A second person in the thread: no answer without a mention, until somebody says follow."""
    ts, _ = product.reply(f"@StarChat {MUTEX}", GENERAL)
    unasked = product.workspace.post(LIN, GENERAL, "I use one every day.", ts)
    product.workspace.post(ADA, GENERAL, GREET, ts)
    _, replies = product.reply(f"@StarChat {GREET}", GENERAL, ts, user=LIN)

    assert len(replies) == 1
    assert not any(
        payload(message).get("question") == unasked
        for message in product.workspace.messages(GENERAL, ts)
    )


def test_follow_makes_the_bot_answer_everybody(product: Product) -> None:
    """After `follow` a message of a second person is answered without a mention."""
    ts, _ = product.reply(f"@StarChat {MUTEX}", GENERAL)
    product.workspace.post(LIN, GENERAL, "Interesting.", ts)
    product.workspace.post(ADA, GENERAL, "@StarChat follow", ts)
    product.said(lambda m: "every message in this thread" in m["text"], GENERAL, ts)
    _, replies = product.reply(GREET, GENERAL, ts, user=SAM)

    assert len(replies) == 1


def test_bots_never_start_a_conversation(product: Product) -> None:
    """Another bot mentions ours: nothing happens, and people are answered as before."""
    ts = product.workspace.raw_post(GENERAL, f"<@{STARCHAT}> {MUTEX}", user=DEPLOYBOT)
    product.reply(f"@StarChat {MUTEX}", GENERAL)

    assert product.workspace.replies(GENERAL, ts) == []


def test_what_nobody_taught_is_answered_too(product: Product) -> None:
    """The model says what it says; the reply shows exactly that."""
    _, replies = product.reply("@StarChat Which tea is best?", GENERAL)

    assert words(replies).strip() == UNKNOWN


def _code(answer: str) -> str:
    return "\n".join(line for line in answer.split("\n") if not line.startswith("```"))
