"""The page when something is missing, away, slow or small, and how it looks."""

import re
import urllib.parse

import pytest
from playwright.sync_api import Route, expect

from testing.bolt_app import living
from testing.browser import NARROW
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace, texts
from tests.fakeslack.conftest import Read

pytestmark = pytest.mark.browser

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(27, 26, 34)"
LOST = "Failed to load resource"


def test_an_empty_channel_offers_three_prompts(town: Workspace, room: str, read: Read) -> None:
    """A prompt fills the composer with a mention; in the bot's direct messages without."""
    ada = read(town).open(room)
    prompts = ada.channel.locator(".prompt")
    expect(prompts).to_have_count(3)
    prompts.first.click()
    expect(ada.composer).to_have_value(re.compile(r"^@StarChat Write a Python function"))
    expect(ada.composer).to_be_focused()
    ada.composer.press("Enter")
    expect(prompts).to_have_count(0)
    ada.entry("StarChat").click()
    prompts.last.click()

    expect(ada.composer).to_have_value(re.compile(r"^Why is"))


def test_a_channel_without_the_bot_offers_no_prompts(town: Workspace, read: Read) -> None:
    """Between people there is nothing to suggest."""
    ada = read(town).open(town.direct(ADA, LIN))

    expect(
        ada.channel.get_by_text("the very beginning of your conversation with Lin")
    ).to_be_visible()
    expect(ada.channel.locator(".prompt")).to_have_count(0)


def test_a_missing_bot_is_told_with_what_to_do(slack: Workspace, read: Read) -> None:
    """Without a bot a banner holds the settings to start one; with it the banner goes."""
    ada = read(slack, permissions=["clipboard-read", "clipboard-write"]).open()
    banner = ada.page.locator(".no-bot")
    expect(banner).to_contain_text("StarChat is not connected.")
    banner.get_by_role("button", name="Copy settings").click()
    expect(banner.get_by_text("Copied")).to_be_visible()
    copied = str(ada.run("() => navigator.clipboard.readText()"))
    assert dict(line.split("=", 1) for line in copied.splitlines()) == slack.environment
    with living(slack, lambda _app: None):
        expect(banner).to_have_count(0)
        expect(ada.sidebar.get_by_text("StarChat is connected")).to_be_visible()

    expect(banner).to_be_visible()
    banner.get_by_role("button", name="Hide this notice").click()
    expect(banner).to_have_count(0)


def test_a_workspace_that_was_away_comes_back(slack: Workspace, read: Read) -> None:
    """While it is away nothing written is lost; afterwards the page lives as before."""
    port = urllib.parse.urlsplit(slack.url).port
    ada = read(slack).open()
    ada.write("before")
    expect(ada.row("before")).to_be_visible()
    slack.stop()
    banner = ada.page.locator(".away")
    expect(banner).to_contain_text("The workspace cannot be reached.")
    ada.write("do not lose me")
    error = ada.channel.locator(".composer-error")
    expect(error).to_have_text("Not sent: The workspace cannot be reached. Your text is kept.")
    expect(ada.composer).to_have_value("do not lose me")
    with Workspace("--port", str(port)) as back:
        ada.page.get_by_role("button", name="Reconnect now").click()
        expect(banner).to_have_count(0)
        expect(ada.channel.get_by_text("before")).to_have_count(0)
        ada.composer.press("Enter")
        expect(ada.row("do not lose me")).to_be_visible()
        expect(error).to_be_hidden()
        back.post(LIN, GENERAL, "heard by the stream")
        expect(ada.row("heard by the stream")).to_be_visible()
        assert texts(back.messages(GENERAL)) == ["do not lose me", "heard by the stream"]
        ada.close()
    ada.forgive(LOST)


def test_the_page_reconnects_by_itself(slack: Workspace, read: Read) -> None:
    """Nobody has to press the button."""
    port = urllib.parse.urlsplit(slack.url).port
    ada = read(slack).open()
    slack.stop()
    expect(ada.page.locator(".away")).to_be_visible()
    with Workspace("--port", str(port)) as back:
        back.post(LIN, GENERAL, "missed meanwhile")
        expect(ada.row("missed meanwhile")).to_be_visible(timeout=30_000)
        ada.close()
    ada.forgive(LOST)


def test_a_post_that_fails_keeps_the_text(town: Workspace, room: str, read: Read) -> None:
    """The sentence under the composer says why, and typing on takes it away."""
    ada = read(town).open(room)
    ada.context.set_offline(True)
    ada.write("still here")
    error = ada.channel.locator(".composer-error")
    expect(error).to_be_visible()
    expect(ada.composer).to_have_value("still here")
    ada.context.set_offline(False)
    ada.composer.press_sequentially("!")
    expect(error).to_be_hidden()
    expect(ada.page.locator(".away")).to_have_count(0)
    ada.composer.press("Enter")

    expect(ada.row("still here!")).to_be_visible()
    ada.forgive(LOST)


def test_an_archived_channel_can_be_read_only(town: Workspace, room: str, read: Read) -> None:
    """The composer says why it is closed, and opens again with the channel."""
    ada = read(town).open(room)
    town.control("archive", channel=room)
    expect(ada.composer).to_be_disabled()
    expect(ada.composer).to_have_attribute("placeholder", re.compile("is archived$"))
    town.control("archive", channel=room, archived=False)

    expect(ada.composer).to_be_enabled()


def test_drafts_stay_where_they_were_begun(town: Workspace, room: str, read: Read) -> None:
    """Each channel, thread and person has its own, also after the page was loaded again."""
    root = town.post(LIN, room, "root")
    ada = read(town).open(room, root)
    ada.composer.fill("in the room")
    ada.reply_composer.fill("in the thread")
    ada.entry("python").click()
    expect(ada.composer).to_have_value("")
    name = next(c["name"] for c in town.state()["channels"] if c["id"] == room)
    expect(ada.entry(name).locator(".drafted")).to_be_visible()
    ada.entry(name).click()
    expect(ada.composer).to_have_value("in the room")
    ada.page.reload()
    expect(ada.composer).to_have_value("in the room")
    ada.row("root").focus()
    ada.use(ada.row("root"), "Reply in thread")
    expect(ada.reply_composer).to_have_value("in the thread")
    ada.page.get_by_label("Write as Lin").check()

    expect(ada.composer).to_have_value("")


def test_the_place_is_in_the_address(town: Workspace, room: str, read: Read) -> None:
    """Loading the page again opens the same channel and thread for the same person."""
    root = town.post(ADA, room, "root")
    lin = read(town, LIN).open(room, root)
    expect(lin.row("root", lin.thread)).to_be_visible()
    lin.page.reload()

    expect(lin.row("root", lin.thread)).to_be_visible()
    expect(lin.page.get_by_label("Write as Lin")).to_be_checked()


@pytest.mark.parametrize("place", ["U0NOBODY00/C0NOWHERE", "../../x", "U0ADA00001/C0NOWHERE/1.2"])
def test_a_wrong_address_leads_somewhere_useful(town: Workspace, read: Read, place: str) -> None:
    """Who or what is not there is replaced by the first person and channel."""
    ada = read(town)
    ada.page.goto(f"{town.url}/#/{place}")

    expect(ada.composer).to_have_attribute("placeholder", "Message #general")
    expect(ada.page.get_by_label("Write as Ada")).to_be_checked()
    ada.forgive(LOST)


def test_slow_messages_show_that_they_are_coming(town: Workspace, room: str, read: Read) -> None:
    """Until the messages are there, their shapes are."""
    town.post(LIN, room, "at last")
    ada = read(town).open(PYTHON)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ada.page.route("**/_page/messages*", hold)
    name = next(c["name"] for c in town.state()["channels"] if c["id"] == room)
    ada.entry(name).click()
    expect(ada.channel.get_by_role("status", name="Loading messages")).to_be_visible()
    for route in held:
        route.continue_()

    expect(ada.row("at last")).to_be_visible()
    expect(ada.channel.get_by_role("status", name="Loading messages")).to_have_count(0)


def test_what_happens_while_messages_come_is_not_lost(
    town: Workspace, room: str, read: Read
) -> None:
    """An event that is newer than the answer under way is shown after it."""
    made = town.control("create", name="meanwhile", members=[ADA, LIN])
    other = str(made["channel"])
    ada = read(town).open(PYTHON)
    expect(ada.channel.locator(".intro")).to_contain_text("#python")

    def slowly(route: Route) -> None:
        answer = route.fetch()
        town.post(LIN, room, "just now")
        town.post(LIN, other, "elsewhere")
        expect(ada.entry("meanwhile").locator(".count")).to_have_text("1")
        route.fulfill(response=answer)

    ada.page.route(f"**/_page/messages*{room}*", slowly)
    name = next(c["name"] for c in town.state()["channels"] if c["id"] == room)
    ada.entry(name).click()
    expect(ada.channel.locator(".intro")).to_contain_text(f"#{name}")

    expect(ada.row("just now")).to_be_visible()


@pytest.mark.parametrize(("system", "paper"), [("light", LIGHT), ("dark", DARK)])
def test_the_theme_is_the_systems(town: Workspace, read: Read, system: str, paper: str) -> None:
    """Without a choice the page is as dark as the system wants it."""
    ada = read(town, color_scheme=system).open()

    expect(ada.channel).to_have_css("background-color", paper)


def test_a_chosen_theme_is_remembered(town: Workspace, read: Read) -> None:
    """The choice survives loading the page again; choosing the system's forgets it."""
    ada = read(town, color_scheme="light").open()
    toggle = ada.channel.get_by_role("button", name="Switch between dark and light")
    toggle.click()
    expect(ada.channel).to_have_css("background-color", DARK)
    ada.page.reload()
    ada.composer.wait_for()
    expect(ada.channel).to_have_css("background-color", DARK)
    toggle.click()
    expect(ada.channel).to_have_css("background-color", LIGHT)
    ada.page.emulate_media(color_scheme="dark")

    expect(ada.channel).to_have_css("background-color", DARK)


def test_a_narrow_page_has_a_drawer_and_a_whole_thread(
    town: Workspace, room: str, read: Read
) -> None:
    """At 380 pixels nothing overflows: the sidebar is a drawer, the thread fills the screen."""
    root = town.post(LIN, room, f"root {'x' * 200}")
    town.raw_post(room, f"```{'long line ' * 30}```", user=STARCHAT, thread_ts=root)
    ada = read(town, viewport=NARROW).open(room)
    width = "() => document.documentElement.scrollWidth"
    assert ada.run(width) == NARROW["width"]
    expect(ada.entry("general")).not_to_be_visible()
    ada.page.get_by_role("button", name="Open the sidebar").click()
    expect(ada.entry("general")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.entry("general")).not_to_be_visible()
    ada.row("root").locator(".summary").click()
    expect(ada.reply_composer).to_be_focused()
    for _ in range(20):
        ada.page.keyboard.press("Tab")
        assert not ada.run("() => document.activeElement.matches('#channel *, #sidebar *')")
    box = ada.thread.bounding_box()
    assert box is not None
    assert box["width"] == NARROW["width"]
    assert ada.run(width) == NARROW["width"]
    expect(ada.row("long line", ada.thread).locator("pre")).to_be_visible()
    ada.page.get_by_role("button", name="Close the thread").click()
    ada.page.get_by_role("button", name="Open the sidebar").click()
    ada.entry("python").click()

    expect(ada.composer).to_have_attribute("placeholder", "Message #python")
    expect(ada.entry("general")).not_to_be_visible()
