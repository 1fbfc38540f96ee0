"""Accessibility of the page: roles, announcements, visible focus and reduced motion."""

import re

import pytest
from playwright.sync_api import Locator, expect
from slack_sdk import WebClient

from testing.browser import BrowserPage
from testing.workspace import ADA, BOT_TOKEN, LIN, STARCHAT, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


FOCUSED_LABEL = """() => {
    const node = document.activeElement;
    return node.getAttribute("aria-label") ?? node.textContent.trim();
}"""


HAS_FOCUS_RING = """node => {
    const style = getComputedStyle(node);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
}"""


def get_focused(reader: BrowserPage) -> Locator:
    """Return the focused element."""
    return reader.page.locator(":focus")


def test_focus_is_visible(workspace: Workspace, channel_id: str, open_reader: OpenReader) -> None:
    """Each focused element has an outline; the composer's frame has one."""
    workspace.post_message(ADA, channel_id, "root")
    ada = open_reader(workspace).open_channel(channel_id)
    ada.run_script("() => document.activeElement.blur()")
    rings = []
    for _ in range(20):
        ada.page.keyboard.press("Tab")
        if not ada.run_script(
            "() => document.activeElement.matches('body, textarea, [type=radio]')"
        ):
            rings.append((get_focused(ada).evaluate(HAS_FOCUS_RING), ada.run_script(FOCUSED_LABEL)))
    assert len(rings) > 14
    assert [label for ring, label in rings if not ring] == []

    ada.channel_composer.focus()
    shadow = ada.channel_column.locator(".composer-frame").evaluate(
        "n => getComputedStyle(n).boxShadow"
    )
    assert shadow != "none"


def test_new_messages_are_announced(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Screen readers get each new message, and a reply again when it stops changing."""
    bot = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    ada = open_reader(workspace).open_channel(channel_id)
    live = ada.page.locator("#live")
    expect(live).to_have_attribute("aria-live", "polite")
    ada.stop_timers()
    workspace.post_message(LIN, channel_id, "are you there?")
    expect(live).to_contain_text("Lin: are you there?")
    reply = bot.chat_postMessage(channel=channel_id, text="…")
    for text in ("A", "A lock", "A lock."):
        bot.chat_update(channel=channel_id, ts=str(reply["ts"]), text=text)
    expect(ada.find_message("A lock.")).to_be_visible()
    ada.run_timers(2_000)
    expect(live.locator("p").last).to_have_text("StarChat: A lock.")

    expect(live.locator("p")).to_have_text(
        ["Lin: are you there?", "StarChat: …", "StarChat: A lock."]
    )


def test_the_panes_have_names_and_roles(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Landmarks, feeds and rows have accessible names."""
    root = workspace.post_message(LIN, channel_id, "root")
    workspace.post_raw(channel_id, "reply", user=STARCHAT, thread_ts=root)
    ada = open_reader(workspace).open_channel(channel_id, root)

    expect(ada.page.get_by_role("navigation", name="Workspace")).to_be_visible()
    expect(ada.page.get_by_role("main", name="Channel")).to_be_visible()
    expect(ada.page.get_by_role("complementary", name="Thread")).to_be_visible()
    feed = ada.thread_column.get_by_role("feed", name="Replies")
    expect(feed.get_by_role("article", name=re.compile(r"^StarChat, "))).to_be_visible()


def test_reduced_motion_disables_animations(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """With the system's setting, nothing is animated."""
    root = workspace.post_message(LIN, channel_id, "root")
    ada = open_reader(workspace, reduced_motion="reduce").open_channel(channel_id, root)
    bot = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    bot.assistant_threads_setStatus(channel_id=channel_id, thread_ts=root, status="is thinking…")
    dot = ada.thread_column.locator(".dots i").first

    assert dot.evaluate("node => getComputedStyle(node).animationName") == "none"
