"""Later parts: files that Slack does not take, parts that it does not take, and crashes between."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from contract.language import Language
from testing.http_proxy import HttpProxy
from testing.reply_harness import FACTS, ReplyHarness, build_message, message_content
from testing.worker_harness import context_text, reply_metadata, reply_text
from testing.workspace import BOT_TOKEN
from worker import render
from worker.errors import AppRefusedError, SlackUnavailableError
from worker.metrics import Metrics
from worker.render import Snippet
from worker.render.file_messages import compose_file_messages
from worker.render.texts import REPLY_INCOMPLETE
from worker.slack import file_uploads
from worker.slack.client import RejectedError, SlackClient, open_web_client
from worker.slack.rate_limits import TokenBuckets

GET_URL = "files.getUploadURLExternal"
COMPLETE = "files.completeUploadExternal"
CODE = "".join(f"line_{number} = {number}\n" for number in range(900))
SNIPPET = Snippet("reply-1.py", "python", CODE, "reply-1.py")
PARTS = (build_message("one"), SNIPPET, build_message("two"))


def shown_states(reply: ReplyHarness) -> list[str | None]:
    """Return the states of the reply's messages; `None` for a file."""
    return [reply_metadata(message).get("state") for message in reply.visible_messages]


def assert_code_is_in_messages(reply: ReplyHarness) -> None:
    """Assert that the parts are there once, in order, with the code byte for byte in messages."""
    first, *code, last = reply.visible_messages
    assert (message_content(first), message_content(last)) == ("one", "two")
    assert reply_text(code) == CODE.rstrip("\n")
    assert context_text(code).count(SNIPPET.filename) == len(code) == 2
    assert shown_states(reply) == ["final"] * 4


@pytest.fixture
async def blocked(
    monkeypatch: pytest.MonkeyPatch, reply: ReplyHarness
) -> AsyncIterator[ReplyHarness]:
    """A reply whose worker reaches Slack by a proxy that refuses uploads."""
    monkeypatch.setattr(file_uploads, "RETRY_DELAYS_SECONDS", (0.0, 0.0))
    with HttpProxy("/upload/") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with AsyncExitStack() as stack:
            web = await open_web_client(BOT_TOKEN, reply.harness.workspace.api_url, stack)
            reply.slack = SlackClient(web, TokenBuckets(reply.client), Metrics())
            yield reply


async def test_code_of_a_blocked_upload_is_posted_in_messages(blocked: ReplyHarness) -> None:
    """The calls are bounded, for all files of the reply together."""
    since = len(blocked.harness.workspace.api_calls())
    text = "\n\n".join(f"Text {n}.\n\n```python\n{CODE}```" for n in range(3))
    await blocked.finish_reply(*render.compose_final(text, facts=FACTS))
    shown = reply_text(blocked.visible_messages)
    assert shown.count(CODE.rstrip("\n")) == 3
    assert all(state == "final" for state in shown_states(blocked))
    calls = blocked.harness.workspace.api_calls(since, GET_URL)
    assert len(calls) == file_uploads.MAX_UPLOAD_ATTEMPTS


async def test_later_execution_does_not_upload_again(blocked: ReplyHarness) -> None:
    """The decision for messages is recorded, even if uploads work by then."""
    await blocked.finish_reply(*PARTS)
    assert_code_is_in_messages(blocked)
    since = len(blocked.harness.workspace.api_calls())
    await blocked.finish_reply(*PARTS, again=True)
    assert_code_is_in_messages(blocked)
    methods = {call["method"] for call in blocked.harness.workspace.api_calls(since)}
    assert not methods & {GET_URL, COMPLETE, "chat.postMessage"}


@pytest.mark.parametrize("method", [GET_URL, COMPLETE])
@pytest.mark.parametrize("error", ["missing_scope", "file_uploads_disabled", "file_not_found"])
async def test_code_of_a_refused_file_is_posted_in_messages(
    reply: ReplyHarness, method: str, error: str
) -> None:
    """No refusal of a file loses the code, and a permanent one is not repeated."""
    reply.harness.workspace.set_faults({"fault": "error", "method": method, "error": error})
    since = len(reply.harness.workspace.api_calls())
    await reply.finish_reply(*PARTS)
    assert_code_is_in_messages(reply)
    assert len(reply.harness.workspace.api_calls(since, method)) == 1


async def test_unanswered_share_is_bounded(reply: ReplyHarness) -> None:
    """If the thread never shows the file, its code is posted."""
    reply.harness.workspace.set_faults({"fault": "status", "method": COMPLETE})
    since = len(reply.harness.workspace.api_calls())
    await reply.finish_reply(*PARTS)
    assert_code_is_in_messages(reply)
    calls = reply.harness.workspace.api_calls(since, COMPLETE)
    assert len(calls) == file_uploads.MAX_UPLOAD_ATTEMPTS


@pytest.mark.parametrize("posted", range(3))
async def test_crash_between_parts_neither_loses_nor_repeats_one(
    blocked: ReplyHarness, posted: int
) -> None:
    """Until all parts are there, no part is called final."""
    message = await blocked.open_reply()
    refusal = {"fault": "error", "method": "chat.postMessage", "error": "token_revoked"}
    blocked.harness.workspace.set_faults({**refusal, "skip": posted})
    with pytest.raises(AppRefusedError):
        await message.publish_final(PARTS, state="final", may_exist=False)
    assert shown_states(blocked) == ["growing"] * (posted + 1)
    blocked.harness.workspace.set_faults()
    await blocked.finish_reply(*PARTS, again=True)
    assert_code_is_in_messages(blocked)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "error", "error": "invalid_blocks"}, RejectedError),
        ({"fault": "ratelimited", "retry_after": 60}, SlackUnavailableError),
    ],
)
async def test_missing_part_is_admitted(
    reply: ReplyHarness, fault: dict[str, str], error: type[Exception]
) -> None:
    """The first part says that the rest is missing, and is not called final."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults({**fault, "method": "chat.postMessage"})
    with pytest.raises(error):
        await message.publish_final(
            [build_message("one"), build_message("two")], state="final", may_exist=False
        )
    [shown] = reply.visible_messages
    assert str(REPLY_INCOMPLETE) in context_text([shown])
    assert shown_states(reply) == ["error"]


async def test_state_of_parts_follows_in_a_workspace_without_edits(reply: ReplyHarness) -> None:
    """A reply that replaced its placeholder cannot change its state later."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(
        {"fault": "error", "method": "chat.update", "error": "cant_update_message"}
    )
    await message.publish_final(PARTS, state="final", may_exist=False)
    assert [message_content(one) for one in reply.visible_messages] == ["one", "reply-1.py", "two"]
    assert shown_states(reply) == ["final", None, "final"]


@pytest.mark.parametrize(
    "content", ["x\n", "x" * 40_000, f"a{chr(10) * 30_000}b\n", "ä\n" * 20_000, " " * 120_000]
)
def test_file_messages_hold_every_visible_line(content: str) -> None:
    """Each message is one that Slack takes; white space alone is left out."""
    messages = compose_file_messages(
        Snippet("reply.md", "markdown", content, "reply"), Language.ENGLISH
    )
    codes = [message.blocks[0]["elements"][0]["elements"][0]["text"] for message in messages]
    assert all(code.strip() and len(code) <= 9_500 for code in codes)
    assert "".join("".join(codes).split()) == "".join(content.split())
