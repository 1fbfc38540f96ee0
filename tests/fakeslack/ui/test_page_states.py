"""Page states: empty, disconnected, failed, archived, slow, dark and narrow."""

import re
import urllib.parse

import pytest
from playwright.sync_api import Route, expect

from testing.bolt_app import run_bolt_app
from testing.browser import NARROW_VIEWPORT
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace, message_texts
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(27, 26, 34)"
LOST = "Failed to load resource"


def test_an_empty_channel_offers_three_prompts(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A prompt fills the composer with a mention, or without one in the bot's direct message."""
    ada = open_reader(workspace).open_channel(channel_id)
    prompts = ada.channel_column.locator(".prompt")
    expect(prompts).to_have_count(3)
    prompts.first.click()
    expect(ada.channel_composer).to_have_value(re.compile(r"^@StarChat Write a Python function"))
    expect(ada.channel_composer).to_be_focused()
    ada.channel_composer.press("Enter")
    expect(prompts).to_have_count(0)
    ada.find_sidebar_entry("StarChat").click()
    prompts.last.click()

    expect(ada.channel_composer).to_have_value(re.compile(r"^Why is"))


def test_a_channel_without_the_bot_offers_no_prompts(
    workspace: Workspace, open_reader: OpenReader
) -> None:
    """A conversation between people has no suggestions."""
    ada = open_reader(workspace).open_channel(workspace.open_dm(ADA, LIN))

    expect(
        ada.channel_column.get_by_text("the very beginning of your conversation with Lin")
    ).to_be_visible()
    expect(ada.channel_column.locator(".prompt")).to_have_count(0)


def test_a_banner_shows_how_to_connect_the_bot(slack: Workspace, open_reader: OpenReader) -> None:
    """It lists the settings until the bot connects."""
    ada = open_reader(slack, permissions=["clipboard-read", "clipboard-write"]).open_channel()
    banner = ada.page.locator(".no-bot")
    expect(banner).to_contain_text("StarChat is not connected.")
    banner.get_by_role("button", name="Copy settings").click()
    expect(banner.get_by_text("Copied")).to_be_visible()
    copied = str(ada.run_script("() => navigator.clipboard.readText()"))
    settings = dict(line.split("=", 1) for line in copied.splitlines())
    assert settings == {n: v for n, v in slack.environment.items() if n.startswith("SLACK_")}
    with run_bolt_app(slack, lambda _app: None):
        expect(banner).to_have_count(0)
        expect(ada.sidebar.get_by_text("StarChat is connected")).to_be_visible()

    expect(banner).to_be_visible()
    banner.get_by_role("button", name="Hide this notice").click()
    expect(banner).to_have_count(0)


def test_the_page_survives_a_workspace_restart(slack: Workspace, open_reader: OpenReader) -> None:
    """Drafts stay during the outage; afterwards the page works as before."""
    port = urllib.parse.urlsplit(slack.url).port
    ada = open_reader(slack).open_channel()
    ada.write_message("before")
    expect(ada.find_message("before")).to_be_visible()
    # An attempt by itself would take the button away before the person presses it.
    ada.stop_timers()
    slack.stop_process()
    banner = ada.page.locator(".away")
    expect(banner).to_contain_text("Can't reach the workspace.")
    ada.write_message("do not lose me")
    error = ada.channel_column.locator(".composer-error")
    expect(error).to_have_text("Not sent: Can't reach the workspace. Your text is kept.")
    expect(ada.channel_composer).to_have_value("do not lose me")
    with Workspace("--port", str(port)) as back:
        ada.page.get_by_role("button", name="Reconnect now").click()
        expect(banner).to_have_count(0)
        expect(ada.channel_column.get_by_text("before")).to_have_count(0)
        ada.channel_composer.press("Enter")
        expect(ada.find_message("do not lose me")).to_be_visible()
        expect(error).to_be_hidden()
        back.post_message(LIN, GENERAL, "heard by the stream")
        expect(ada.find_message("heard by the stream")).to_be_visible()
        assert message_texts(back.read_messages(GENERAL)) == [
            "do not lose me",
            "heard by the stream",
        ]
        ada.close_window()
    ada.ignore_errors(LOST)


def test_the_page_reconnects_by_itself(slack: Workspace, open_reader: OpenReader) -> None:
    """No button press is needed."""
    port = urllib.parse.urlsplit(slack.url).port
    ada = open_reader(slack).open_channel()
    slack.stop_process()
    expect(ada.page.locator(".away")).to_be_visible()
    with Workspace("--port", str(port)) as back:
        back.post_message(LIN, GENERAL, "missed message")
        expect(ada.find_message("missed message")).to_be_visible(timeout=30_000)
        ada.close_window()
    ada.ignore_errors(LOST)


def test_a_failed_post_keeps_its_text(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The composer shows the cause until the person types again."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.context.set_offline(True)
    ada.write_message("still here")
    error = ada.channel_column.locator(".composer-error")
    expect(error).to_be_visible()
    expect(ada.channel_composer).to_have_value("still here")
    ada.context.set_offline(False)
    ada.channel_composer.press_sequentially("!")
    expect(error).to_be_hidden()
    expect(ada.page.locator(".away")).to_have_count(0)
    ada.channel_composer.press("Enter")

    expect(ada.find_message("still here!")).to_be_visible()
    ada.ignore_errors(LOST)


def test_an_archived_channel_is_read_only(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The composer says why, and works again after unarchiving."""
    ada = open_reader(workspace).open_channel(channel_id)
    workspace.send_control("archive", channel=channel_id)
    expect(ada.channel_composer).to_be_disabled()
    expect(ada.channel_composer).to_have_attribute("placeholder", re.compile("is archived$"))
    workspace.send_control("archive", channel=channel_id, archived=False)

    expect(ada.channel_composer).to_be_enabled()


def test_drafts_are_kept_by_person_and_thread(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Drafts survive a reload."""
    root = workspace.post_message(LIN, channel_id, "root")
    ada = open_reader(workspace).open_channel(channel_id, root)
    ada.channel_composer.fill("in the room")
    ada.reply_composer.fill("in the thread")
    ada.find_sidebar_entry("python").click()
    expect(ada.channel_composer).to_have_value("")
    name = next(c["name"] for c in workspace.read_state()["channels"] if c["id"] == channel_id)
    expect(ada.find_sidebar_entry(name).locator(".drafted")).to_be_visible()
    ada.find_sidebar_entry(name).click()
    expect(ada.channel_composer).to_have_value("in the room")
    ada.page.reload()
    expect(ada.channel_composer).to_have_value("in the room")
    ada.find_message("root").focus()
    ada.press_tool(ada.find_message("root"), "Reply in thread")
    expect(ada.reply_composer).to_have_value("in the thread")
    ada.page.get_by_label("Write as Lin").check()

    expect(ada.channel_composer).to_have_value("")


def test_the_url_holds_person_channel_and_thread(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A reload opens the same thread."""
    root = workspace.post_message(ADA, channel_id, "root")
    lin = open_reader(workspace, LIN).open_channel(channel_id, root)
    expect(lin.find_message("root", lin.thread_column)).to_be_visible()
    lin.page.reload()

    expect(lin.find_message("root", lin.thread_column)).to_be_visible()
    expect(lin.page.get_by_label("Write as Lin")).to_be_checked()


@pytest.mark.parametrize("place", ["U0NOBODY00/C0NOWHERE", "../../x", "U0ADA00001/C0NOWHERE/1.2"])
def test_an_invalid_url_falls_back_to_defaults(
    workspace: Workspace, open_reader: OpenReader, place: str
) -> None:
    """Unknown people and channels are replaced by the first ones."""
    ada = open_reader(workspace)
    ada.page.goto(f"{workspace.url}/#/{place}")

    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #general")
    expect(ada.page.get_by_label("Write as Ada")).to_be_checked()
    ada.ignore_errors(LOST)


def test_a_skeleton_is_shown_while_messages_load(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """It disappears with the first messages."""
    workspace.post_message(LIN, channel_id, "at last")
    ada = open_reader(workspace).open_channel(PYTHON)
    held: list[Route] = []

    def hold_route(route: Route) -> None:
        held.append(route)

    ada.page.route("**/_page/messages*", hold_route)
    name = next(c["name"] for c in workspace.read_state()["channels"] if c["id"] == channel_id)
    ada.find_sidebar_entry(name).click()
    expect(ada.channel_column.get_by_role("status", name="Loading messages")).to_be_visible()
    for route in held:
        route.continue_()

    expect(ada.find_message("at last")).to_be_visible()
    expect(ada.channel_column.get_by_role("status", name="Loading messages")).to_have_count(0)


def test_events_during_loading_are_applied_afterwards(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """An event newer than the pending response is shown."""
    made = workspace.send_control("create", name="unread", members=[ADA, LIN])
    other = str(made["channel"])
    ada = open_reader(workspace).open_channel(PYTHON)
    expect(ada.channel_column.locator(".intro")).to_contain_text("#python")

    def continue_slowly(route: Route) -> None:
        answer = route.fetch()
        workspace.post_message(LIN, channel_id, "just now")
        workspace.post_message(LIN, other, "elsewhere")
        expect(ada.find_sidebar_entry("unread").locator(".count")).to_have_text("1")
        route.fulfill(response=answer)

    ada.page.route(f"**/_page/messages*{channel_id}*", continue_slowly)
    name = next(c["name"] for c in workspace.read_state()["channels"] if c["id"] == channel_id)
    ada.find_sidebar_entry(name).click()
    expect(ada.channel_column.locator(".intro")).to_contain_text(f"#{name}")

    expect(ada.find_message("just now")).to_be_visible()


@pytest.mark.parametrize(("system", "paper"), [("light", LIGHT), ("dark", DARK)])
def test_the_theme_follows_the_system(
    workspace: Workspace, open_reader: OpenReader, system: str, paper: str
) -> None:
    """Without a choice, the page uses the system's theme."""
    ada = open_reader(workspace, color_scheme=system).open_channel()

    expect(ada.channel_column).to_have_css("background-color", paper)


def test_a_chosen_theme_is_saved(workspace: Workspace, open_reader: OpenReader) -> None:
    """The choice survives a reload; choosing the system's theme deletes it."""
    ada = open_reader(workspace, color_scheme="light").open_channel()
    toggle = ada.channel_column.get_by_role("button", name="Switch between dark and light")
    toggle.click()
    expect(ada.channel_column).to_have_css("background-color", DARK)
    ada.page.reload()
    ada.channel_composer.wait_for()
    expect(ada.channel_column).to_have_css("background-color", DARK)
    toggle.click()
    expect(ada.channel_column).to_have_css("background-color", LIGHT)
    ada.page.emulate_media(color_scheme="dark")

    expect(ada.channel_column).to_have_css("background-color", DARK)


def test_a_narrow_page_uses_a_drawer_and_a_full_thread(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """At 380 pixels nothing overflows."""
    root = workspace.post_message(LIN, channel_id, f"root {'x' * 200}")
    workspace.post_raw(channel_id, f"```{'long line ' * 30}```", user=STARCHAT, thread_ts=root)
    ada = open_reader(workspace, viewport=NARROW_VIEWPORT).open_channel(channel_id)
    width = "() => document.documentElement.scrollWidth"
    assert ada.run_script(width) == NARROW_VIEWPORT["width"]
    expect(ada.find_sidebar_entry("general")).not_to_be_visible()
    ada.page.get_by_role("button", name="Open the sidebar").click()
    expect(ada.find_sidebar_entry("general")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.find_sidebar_entry("general")).not_to_be_visible()
    ada.find_message("root").locator(".summary").click()
    expect(ada.reply_composer).to_be_focused()
    for _ in range(20):
        ada.page.keyboard.press("Tab")
        assert not ada.run_script("() => document.activeElement.matches('#channel *, #sidebar *')")
    box = ada.thread_column.bounding_box()
    assert box is not None
    assert box["width"] == NARROW_VIEWPORT["width"]
    assert ada.run_script(width) == NARROW_VIEWPORT["width"]
    expect(ada.find_message("long line", ada.thread_column).locator("pre")).to_be_visible()
    ada.page.get_by_role("button", name="Close the thread").click()
    ada.page.get_by_role("button", name="Open the sidebar").click()
    ada.find_sidebar_entry("python").click()

    expect(ada.channel_composer).to_have_attribute("placeholder", "Message #python")
    expect(ada.find_sidebar_entry("general")).not_to_be_visible()
