"""Keyboard use of the page: focus order and keys."""

import pytest
from playwright.sync_api import Locator, Route, expect

from testing.browser import BrowserPage
from testing.workspace import ADA, GENERAL, LIN, Workspace, message_texts
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


FOCUSED_LABEL = """() => {
    const node = document.activeElement;
    return node.getAttribute("aria-label") ?? node.textContent.trim();
}"""


def press_tab(reader: BrowserPage, count: int) -> list[str]:
    """Press Tab `count` times; return the focused label after each."""
    labels = []
    for _ in range(count):
        reader.page.keyboard.press("Tab")
        labels.append(str(reader.run_script(FOCUSED_LABEL)))
    return labels


def is_in_order(found: list[str], wanted: list[str]) -> bool:
    """Whether `found` contains all of `wanted` in this order."""
    rest = iter(found)
    return all(any(want == label for label in rest) for want in wanted)


def get_focused(reader: BrowserPage) -> Locator:
    """Return the focused element."""
    return reader.page.locator(":focus")


def test_tab_follows_the_visual_order(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Sidebar, header, messages with their buttons, composer, then the thread."""
    name = next(c["name"] for c in workspace.read_state()["channels"] if c["id"] == channel_id)
    root = workspace.post_message(ADA, channel_id, "root")
    workspace.post_message(LIN, channel_id, "```\ncode\n```", root)
    ada = open_reader(workspace).open_channel(channel_id, root)
    expect(ada.find_message("code", ada.thread_column)).to_be_visible()
    ada.run_script("() => document.activeElement.blur()")
    labels = press_tab(ada, 70)

    assert is_in_order(
        labels,
        [
            "Skip to the composer",
            "Write as Ada",
            name,
            "New direct message",
            "StarChat",
            "Switch between dark and light",
            "React",
            "Reply in thread",
            "Edit message",
            "Delete message",
            f"Message #{name}",
            "Close the thread",
            "Copy Code code",
            "Code code",
            "Reply…",
        ],
    ), labels


def test_the_skip_button_leads_to_the_composer(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The first Tab stop skips sidebar and messages."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.run_script("() => { document.body.tabIndex = -1; document.body.focus() }")
    ada.page.keyboard.press("Tab")
    expect(ada.page.get_by_role("button", name="Skip to the composer")).to_be_focused()
    ada.page.keyboard.press("Enter")

    expect(ada.channel_composer).to_be_focused()


def test_a_conversation_works_by_keyboard(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Arrows move between messages, Tab finds their buttons, Escape goes back."""
    workspace.post_message(LIN, channel_id, "first")
    workspace.post_message(LIN, channel_id, "second")
    ada = open_reader(workspace).open_channel(channel_id)
    expect(ada.find_message("second")).to_be_visible()
    ada.find_message("second").focus()
    ada.page.keyboard.press("ArrowUp")
    expect(ada.find_message("first")).to_be_focused()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Tab")
    expect(get_focused(ada)).to_have_accessible_name("Reply in thread")
    ada.page.keyboard.press("Enter")
    expect(ada.reply_composer).to_be_focused()
    ada.page.keyboard.type("an answer")
    ada.page.keyboard.press("Enter")
    expect(ada.find_message("an answer", ada.thread_column)).to_be_visible()
    ada.page.keyboard.press("Escape")

    expect(ada.thread_column).to_be_hidden()
    expect(ada.find_message("first")).to_be_focused()
    expect(ada.find_message("first").locator(".summary")).to_contain_text("1 reply")


def test_a_reaction_works_by_keyboard(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The picker takes arrows and Enter; Escape closes only the picker."""
    root = workspace.post_message(LIN, channel_id, "root")
    ada = open_reader(workspace).open_channel(channel_id, root)
    ada.find_message("root").focus()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("dialog", name="Emoji").get_by_label("+1")).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("dialog", name="Emoji")).to_have_count(0)
    expect(ada.thread_column).to_be_visible()
    expect(get_focused(ada)).to_have_accessible_name("React")
    ada.page.keyboard.press("Enter")
    ada.page.keyboard.press("ArrowRight")
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("Enter")

    expect(ada.find_message("root").locator(".reaction")).to_have_accessible_name("x, 1, Ada")


def test_focus_stays_when_a_slow_thread_arrives(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A person who moves the focus while a thread loads keeps it."""
    root = workspace.post_message(LIN, channel_id, "root")
    ada = open_reader(workspace)

    def move_focus(route: Route) -> None:
        ada.find_message("root").focus()
        route.continue_()

    ada.page.route("**/_page/messages?*thread_ts=1*", move_focus)
    ada.open_channel(channel_id, root)
    expect(ada.thread_column.get_by_text("root")).to_be_visible()

    expect(ada.find_message("root")).to_be_focused()


def test_alt_arrows_change_the_channel(workspace: Workspace, open_reader: OpenReader) -> None:
    """The order is the sidebar's; Back returns."""
    ada = open_reader(workspace).open_channel(GENERAL)
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #general")
    ada.page.keyboard.press("Alt+ArrowDown")
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #python")
    expect(ada.channel_composer).to_be_focused()
    ada.page.keyboard.press("Alt+ArrowUp")
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #general")
    ada.page.go_back()

    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #python")


def test_enter_sends_and_shift_enter_inserts_a_line(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Enter also inserts a line within an open fence."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.channel_composer.click()
    expect(ada.channel_composer).to_be_focused()
    ada.page.keyboard.type("one")
    ada.page.keyboard.press("Shift+Enter")
    ada.page.keyboard.type("two ```")
    ada.page.keyboard.press("Enter")
    ada.page.keyboard.type("code```")
    ada.page.keyboard.press("Enter")

    expect(ada.find_message("one").locator("code")).to_have_text("code")
    assert message_texts(workspace.read_messages(channel_id)) == ["one\ntwo ```\ncode```"]


def test_suggestions_work_by_keyboard(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Arrows choose, Tab inserts, Escape closes only the list."""
    root = workspace.post_message(LIN, channel_id, "root")
    ada = open_reader(workspace).open_channel(channel_id, root)
    field = ada.reply_composer
    field.press_sequentially("(@")
    options = ada.thread_column.get_by_role("option")
    expect(options).to_have_count(5)
    field.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = str(options.nth(1).get_attribute("id"))
    expect(field).to_have_attribute("aria-activedescendant", chosen)
    field.press("Tab")
    field.press_sequentially("#gen")
    field.press("Enter")
    field.press_sequentially(":tad")
    field.press("Enter")
    field.press_sequentially("@")
    field.press("Escape")

    expect(field).to_have_value("(@Ada #general :tada: @")
    expect(options).to_have_count(0)
    expect(ada.thread_column).to_be_visible()


def test_arrow_up_edits_the_last_own_message(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Only in an empty composer; each pane edits its own last message."""
    root = workspace.post_message(ADA, channel_id, "root")
    workspace.post_message(ADA, channel_id, "reply", root)
    workspace.post_message(LIN, channel_id, "by Lin")
    ada = open_reader(workspace).open_channel(channel_id, root)
    expect(ada.find_message("reply", ada.thread_column)).to_be_visible()
    ada.channel_composer.fill("text")
    ada.channel_composer.press("ArrowUp")
    expect(ada.page.get_by_role("textbox", name="Edit message")).to_have_count(0)
    ada.channel_composer.fill("")
    ada.channel_composer.press("ArrowUp")
    expect(ada.channel_column.get_by_role("textbox", name="Edit message")).to_have_value("root")
    expect(ada.thread_column.get_by_role("textbox", name="Edit message")).to_have_count(0)
    ada.page.keyboard.press("Escape")
    ada.reply_composer.press("ArrowUp")

    expect(ada.thread_column.get_by_role("textbox", name="Edit message")).to_have_value("reply")
