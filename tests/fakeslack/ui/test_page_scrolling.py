"""Scrolling of the page: it follows new messages only for a reader at the bottom."""

import pytest
from playwright.sync_api import expect

from testing.browser import BrowserPage
from testing.workspace import LIN, SAM, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


def open_long_channel(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> BrowserPage:
    """Open a channel of more messages than its window shows, at the newest one."""
    for number in range(40):
        workspace.post_message(LIN, channel_id, f"line {number}")
    ada = open_reader(workspace).open_channel(channel_id)
    expect(ada.find_message("line 39")).to_be_in_viewport()
    return ada


def test_redraw_right_after_scrolling_keeps_the_position(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The page draws before the browser tells of the scrolling, which it does once a frame."""
    ada = open_long_channel(workspace, channel_id, open_reader)
    hide = ada.page.get_by_role("button", name="Hide this notice")

    ada.channel_column.locator(".scroller").evaluate(
        "(node, button) => { node.scrollTop = 100; button.click() }", hide.element_handle()
    )

    expect(hide).to_be_hidden()
    expect(ada.channel_column.locator(".pill")).to_be_visible()
    assert ada.channel_column.locator(".scroller").evaluate("node => node.scrollTop") == 100


def test_new_messages_scroll_only_at_the_bottom(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Elsewhere a button leads to the new messages."""
    ada = open_long_channel(workspace, channel_id, open_reader)
    scroller = ada.channel_column.locator(".scroller")
    scroller.evaluate("node => { node.scrollTop = 100 }")
    pill = ada.channel_column.locator(".pill")
    expect(pill).to_be_visible()
    expect(pill).to_have_text("Latest messages")
    workspace.post_message(SAM, channel_id, "news")
    expect(pill).to_have_text("1 new message")
    assert scroller.evaluate("node => node.scrollTop") == 100
    pill.click()
    expect(ada.find_message("news")).to_be_in_viewport()
    expect(pill).to_be_hidden()
    workspace.post_message(SAM, channel_id, "more news\n" * 10)

    expect(ada.find_message("more news")).to_be_in_viewport(ratio=0.9)
