"""Controls below a finished reply, where Slack takes them."""

from testing.reply_harness import ReplyHarness, build_message
from testing.worker_harness import reply_text


async def test_finished_reply_has_the_askers_controls(reply: ReplyHarness) -> None:
    """The first part has them; a growing one has not."""
    await reply.finish_reply(build_message("Done."))

    [message] = reply.visible_messages
    [controls] = [block for block in message["blocks"] if block["type"] == "context_actions"]
    assert controls["elements"][0]["visible_to_user_ids"] == [reply.job.user]


async def test_reply_without_controls_is_better_than_none(reply: ReplyHarness) -> None:
    """Slack may not know the block: the reply is then posted as it was before."""
    rule = {"fault": "error", "method": "chat.update", "error": "invalid_blocks", "count": 1}
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(rule)
    await message.publish_final([build_message("Done.")], state="final", may_exist=False)

    assert "Done." in reply_text(reply.visible_messages)
    assert "context_actions" not in str(reply.visible_messages)
