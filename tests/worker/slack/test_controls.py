"""Controls below a finished reply, where Slack takes them."""

import pytest

from contract.language import Language
from contract.reply_controls import ReplyAddress, build_controls
from contract.reply_details import ReplyDetails
from testing.reply_harness import ReplyHarness, build_message
from testing.worker_harness import reply_text


async def publish_reply(reply: ReplyHarness, *faults: dict[str, object]) -> list[str]:
    """Publish a reply with controls beside faults of Slack; return the kinds of its blocks."""
    address = ReplyAddress.from_job(reply.job)
    controls = build_controls(address, ReplyDetails(), is_direct=False, language=Language.ENGLISH)
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(*faults)
    await message.publish_final(
        [build_message("Done.")], state="final", may_exist=False, controls=controls
    )
    [shown] = reply.visible_messages
    assert "Done." in reply_text([shown])
    return [block["type"] for block in shown["blocks"] if "actions" in block["type"]]


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [(0, ["actions", "context_actions"]), (1, ["context_actions"]), (2, [])],
)
async def test_reply_has_the_controls_that_slack_takes(
    reply: ReplyHarness, refusals: int, expected: list[str]
) -> None:
    """Slack may not know a block: fewer controls are better than no reply."""
    rule: dict[str, object] = {"fault": "error", "method": "chat.update", "error": "invalid_blocks"}
    faults = [rule | {"count": refusals}] if refusals else []
    assert await publish_reply(reply, *faults) == expected
