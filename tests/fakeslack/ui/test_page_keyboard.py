"""The page without a mouse: order of focus, keys, and what a screen reader hears."""

import re

import pytest
from playwright.sync_api import Locator, expect
from slack_sdk import WebClient

from testing.browser import BrowserPage
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, STARCHAT, Workspace, message_texts
from tests.fakeslack.conftest import Read

pytestmark = pytest.mark.browser

LABEL = """() => {
    const node = document.activeElement;
    return node.getAttribute("aria-label") ?? node.textContent.trim();
}"""
RING = """node => {
    const style = getComputedStyle(node);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
}"""


def walked(reader: BrowserPage, steps: int) -> list[str]:
    """Press Tab this many times; what had the focus after each."""
    labels = []
    for _ in range(steps):
        reader.page.keyboard.press("Tab")
        labels.append(str(reader.run_script(LABEL)))
    return labels


def in_order(found: list[str], wanted: list[str]) -> bool:
    """Whether all of `wanted` come in `found`, in this order."""
    rest = iter(found)
    return all(any(want == label for label in rest) for want in wanted)


def focused(reader: BrowserPage) -> Locator:
    """What has the focus."""
    return reader.page.locator(":focus")


def test_tab_reaches_everything_in_a_sensible_order(town: Workspace, room: str, read: Read) -> None:
    """Sidebar, header, messages with their buttons, composer, then the thread's column."""
    name = next(c["name"] for c in town.read_state()["channels"] if c["id"] == room)
    root = town.post_message(ADA, room, "root")
    town.post_message(LIN, room, "```\ncode\n```", root)
    ada = read(town).open_channel(room, root)
    expect(ada.find_message("code", ada.thread_column)).to_be_visible()
    ada.run_script("() => document.activeElement.blur()")
    labels = walked(ada, 70)

    assert in_order(
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


def test_focus_can_be_seen(town: Workspace, room: str, read: Read) -> None:
    """Whatever Tab reaches wears a ring, the composer by its frame."""
    town.post_message(ADA, room, "root")
    ada = read(town).open_channel(room)
    ada.run_script("() => document.activeElement.blur()")
    rings = []
    for _ in range(20):
        ada.page.keyboard.press("Tab")
        if not ada.run_script(
            "() => document.activeElement.matches('body, textarea, [type=radio]')"
        ):
            rings.append((focused(ada).evaluate(RING), ada.run_script(LABEL)))
    assert len(rings) > 14
    assert [label for ring, label in rings if not ring] == []

    ada.channel_composer.focus()
    shadow = ada.channel_column.locator(".composer-frame").evaluate(
        "n => getComputedStyle(n).boxShadow"
    )
    assert shadow != "none"


def test_the_skip_button_leads_to_the_composer(town: Workspace, room: str, read: Read) -> None:
    """The first stop of Tab jumps over sidebar and messages."""
    ada = read(town).open_channel(room)
    ada.run_script("() => document.activeElement.blur()")
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Enter")

    expect(ada.channel_composer).to_be_focused()


def test_a_whole_conversation_needs_no_mouse(town: Workspace, room: str, read: Read) -> None:
    """Arrows walk the messages, Tab finds their buttons, Escape leads back."""
    town.post_message(LIN, room, "first")
    town.post_message(LIN, room, "second")
    ada = read(town).open_channel(room)
    expect(ada.find_message("second")).to_be_visible()
    ada.find_message("second").focus()
    ada.page.keyboard.press("ArrowUp")
    expect(ada.find_message("first")).to_be_focused()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Tab")
    expect(focused(ada)).to_have_accessible_name("Reply in thread")
    ada.page.keyboard.press("Enter")
    expect(ada.reply_composer).to_be_focused()
    ada.page.keyboard.type("an answer")
    ada.page.keyboard.press("Enter")
    expect(ada.find_message("an answer", ada.thread_column)).to_be_visible()
    ada.page.keyboard.press("Escape")

    expect(ada.thread_column).to_be_hidden()
    expect(ada.find_message("first")).to_be_focused()
    expect(ada.find_message("first").locator(".summary")).to_contain_text("1 reply")


def test_a_reaction_needs_no_mouse(town: Workspace, room: str, read: Read) -> None:
    """The picker takes arrows and Enter; Escape closes it and not the thread."""
    root = town.post_message(LIN, room, "root")
    ada = read(town).open_channel(room, root)
    ada.find_message("root").focus()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("dialog", name="Emoji").get_by_label("+1")).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("dialog", name="Emoji")).to_have_count(0)
    expect(ada.thread_column).to_be_visible()
    expect(focused(ada)).to_have_accessible_name("React")
    ada.page.keyboard.press("Enter")
    ada.page.keyboard.press("ArrowRight")
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("Enter")

    expect(ada.find_message("root").locator(".reaction")).to_have_accessible_name("x, 1, Ada")


def test_alt_and_arrows_change_the_channel(town: Workspace, read: Read) -> None:
    """The order is the sidebar's; Back returns."""
    ada = read(town).open_channel(GENERAL)
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #general")
    ada.page.keyboard.press("Alt+ArrowDown")
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #python")
    expect(ada.channel_composer).to_be_focused()
    ada.page.keyboard.press("Alt+ArrowUp")
    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #general")
    ada.page.go_back()

    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #python")


def test_enter_sends_and_shift_enter_does_not(town: Workspace, room: str, read: Read) -> None:
    """Shift+Enter is a new line, and so is Enter within an open fence."""
    ada = read(town).open_channel(room)
    ada.channel_composer.click()
    expect(ada.channel_composer).to_be_focused()
    ada.page.keyboard.type("one")
    ada.page.keyboard.press("Shift+Enter")
    ada.page.keyboard.type("two ```")
    ada.page.keyboard.press("Enter")
    ada.page.keyboard.type("code```")
    ada.page.keyboard.press("Enter")

    expect(ada.find_message("one").locator("code")).to_have_text("code")
    assert message_texts(town.read_messages(room)) == ["one\ntwo ```\ncode```"]


def test_the_list_of_suggestions_takes_the_keys(town: Workspace, room: str, read: Read) -> None:
    """Arrows choose, Tab takes, Escape closes the list and not the thread."""
    root = town.post_message(LIN, room, "root")
    ada = read(town).open_channel(room, root)
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


def test_arrow_up_edits_the_last_own_message(town: Workspace, room: str, read: Read) -> None:
    """In an empty composer only; each column edits its own last message."""
    root = town.post_message(ADA, room, "root")
    town.post_message(ADA, room, "reply", root)
    town.post_message(LIN, room, "by Lin")
    ada = read(town).open_channel(room, root)
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


def test_new_messages_are_announced(town: Workspace, room: str, read: Read) -> None:
    """A screen reader hears each new message, and a reply again when it has stopped growing."""
    bot = WebClient(token=BOT_TOKEN, base_url=town.api_url)
    ada = read(town).open_channel(room)
    live = ada.page.locator("#live")
    expect(live).to_have_attribute("aria-live", "polite")
    town.post_message(LIN, room, "are you there?")
    expect(live).to_contain_text("Lin: are you there?")
    reply = bot.chat_postMessage(channel=room, text="…")
    for text in ("A", "A lock", "A lock."):
        bot.chat_update(channel=room, ts=str(reply["ts"]), text=text)
    expect(live.locator("p").last).to_have_text("StarChat: A lock.")

    expect(live.locator("p")).to_have_text(
        ["Lin: are you there?", "StarChat: …", "StarChat: A lock."]
    )


def test_the_columns_have_names_and_roles(town: Workspace, room: str, read: Read) -> None:
    """Landmarks, feeds and rows can be found by what they are called."""
    root = town.post_message(LIN, room, "root")
    town.post_raw(room, "reply", user=STARCHAT, thread_ts=root)
    ada = read(town).open_channel(room, root)

    expect(ada.page.get_by_role("navigation", name="Workspace")).to_be_visible()
    expect(ada.page.get_by_role("main", name="Channel")).to_be_visible()
    expect(ada.page.get_by_role("complementary", name="Thread")).to_be_visible()
    feed = ada.thread_column.get_by_role("feed", name="Replies")
    expect(feed.get_by_role("article", name=re.compile(r"^StarChat, "))).to_be_visible()


def test_less_motion_is_respected(town: Workspace, room: str, read: Read) -> None:
    """With reduced motion nothing is animated."""
    root = town.post_message(LIN, room, "root")
    ada = read(town, reduced_motion="reduce").open_channel(room, root)
    bot = WebClient(token=BOT_TOKEN, base_url=town.api_url)
    bot.assistant_threads_setStatus(channel_id=room, thread_ts=root, status="is thinking…")
    dot = ada.thread_column.locator(".dots i").first

    assert dot.evaluate("node => getComputedStyle(node).animationName") == "none"
