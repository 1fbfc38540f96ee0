"""Proxy of the worker: Web API calls and uploads take the same way."""

from contextlib import AsyncExitStack

import pytest

from testing.http_proxy import HttpProxy
from testing.reply_harness import ReplyHarness, build_message, message_content
from testing.workspace import BOT_TOKEN
from worker.metrics import Metrics
from worker.render import Snippet
from worker.slack.client import SlackClient, open_web_client
from worker.slack.rate_limits import TokenBuckets


@pytest.mark.parametrize("excluded", ["", "localhost,127.0.0.1"])
async def test_reply_with_a_file_follows_the_proxy_rules(
    monkeypatch: pytest.MonkeyPatch, reply: ReplyHarness, excluded: str
) -> None:
    """The upload address is called outside the SDK, but under the same rules."""
    with HttpProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excluded)
        async with AsyncExitStack() as stack:
            web = await open_web_client(BOT_TOKEN, reply.harness.workspace.api_url, stack)
            reply.slack = SlackClient(web, TokenBuckets(reply.client), Metrics())
            snippet = Snippet("reply.py", "python", "print()\n", "reply.py")
            await reply.finish_reply(build_message("one"), snippet, build_message("two"))
    assert [message_content(one) for one in reply.visible_messages] == ["one", "reply.py", "two"]
    uploads = [target for target in proxy.targets if target.startswith("/upload/")]
    assert len(uploads) == (0 if excluded else 1)
    assert ("/api/files.completeUploadExternal" in proxy.targets) is not bool(excluded)
    assert not excluded or not proxy.targets
