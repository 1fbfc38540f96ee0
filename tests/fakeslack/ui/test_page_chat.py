"""Conversations on the page: posting, threads, edits, reactions and unread counts."""

import re

import pytest
from playwright.sync_api import expect
from slack_sdk import WebClient

from testing.rich_text_samples import code_element, section_element, text_element
from testing.workspace import ADA, BOT_TOKEN, LIN, SAM, STARCHAT, Workspace, message_texts
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser

PARTIAL_TEXT = "def double(x):\n    return"
FULL_TEXT = f"{PARTIAL_TEXT} x * 2  # twice"


@pytest.fixture
def bot_client(workspace: Workspace) -> WebClient:
    """The bot's Web API client."""
    return WebClient(token=BOT_TOKEN, base_url=workspace.api_url)


def test_a_completed_mention_is_posted_as_a_mention(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Typing `@st` and Enter inserts the bot's name; Slack receives its user id."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.channel_composer.press_sequentially("@st")
    expect(ada.page.get_by_role("option")).to_have_text([re.compile("StarChat")])
    ada.channel_composer.press("Enter")
    ada.channel_composer.press_sequentially("what is a mutex?")
    ada.channel_composer.press("Enter")

    expect(ada.find_message("what is a mutex?").locator(".mention")).to_have_text("@StarChat")
    expect(ada.channel_composer).to_have_value("")
    assert message_texts(workspace.read_messages(channel_id)) == [f"<@{STARCHAT}> what is a mutex?"]


def test_edits_update_a_reply_in_place(
    workspace: Workspace, channel_id: str, open_reader: OpenReader, bot_client: WebClient
) -> None:
    """Each edit changes the same row, so a text selection survives."""
    question = workspace.post_message(ADA, channel_id, "@StarChat double?")
    ada = open_reader(workspace).open_channel(channel_id, question)
    blocks = [
        {
            "type": "rich_text",
            "elements": [
                section_element(text_element("Like")),
                code_element(PARTIAL_TEXT, "python"),
            ],
        }
    ]
    reply = bot_client.chat_postMessage(
        channel=channel_id, thread_ts=question, text="Like", blocks=blocks
    )
    row = ada.find_message("Like", ada.thread_column)
    row.locator("code").evaluate(
        "node => { node.kept = true; getSelection().selectAllChildren(node.firstElementChild) }"
    )
    blocks[0]["elements"] = [
        section_element(text_element("Like this:")),
        code_element(FULL_TEXT, "python"),
    ]
    bot_client.chat_update(
        channel=channel_id, ts=str(reply["ts"]), text="Like this:", blocks=blocks
    )

    expect(row.locator("code")).to_have_text(FULL_TEXT)
    assert row.locator("code").evaluate("node => node.kept")
    assert ada.run_script("() => String(getSelection())") == "def"
    expect(ada.thread_column.locator("article.message")).to_have_count(2)


def test_a_thread_summary_counts_replies(
    workspace: Workspace, channel_id: str, open_reader: OpenReader, bot_client: WebClient
) -> None:
    """The summary below a message counts replies live and opens the thread."""
    question = workspace.post_message(ADA, channel_id, "@StarChat hello?")
    ada = open_reader(workspace).open_channel(channel_id)
    bot_client.chat_postMessage(channel=channel_id, thread_ts=question, text="Hello.")
    summary = ada.find_message("hello?").locator(".summary")
    expect(summary).to_contain_text("1 reply")
    workspace.post_message(LIN, channel_id, "hi", question)
    expect(summary).to_contain_text("2 replies")
    summary.click()

    expect(ada.find_message("Hello.", ada.thread_column)).to_be_visible()
    expect(ada.find_message("Hello.", ada.thread_column).locator(".app-badge")).to_have_text("APP")
    expect(ada.reply_composer).to_be_focused()


def test_a_thread_composer_posts_a_reply(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A check box also sends the reply to the channel."""
    question = workspace.post_message(ADA, channel_id, "root")
    ada = open_reader(workspace).open_channel(channel_id, question)
    ada.write_message("and for lists?", ada.reply_composer)
    expect(ada.find_message("and for lists?", ada.thread_column)).to_be_visible()
    ada.thread_column.get_by_label("Also send to").check()
    ada.write_message("for everybody", ada.reply_composer)

    expect(ada.find_message("for everybody")).to_contain_text("Replied to a thread")
    expect(ada.channel_column.get_by_text("and for lists?")).to_have_count(0)
    expect(ada.thread_column.get_by_label("Also send to")).not_to_be_checked()
    assert message_texts(workspace.read_messages(channel_id, question)) == [
        "root",
        "and for lists?",
        "for everybody",
    ]


def test_the_person_switcher_changes_the_author(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """After a switch, only the new person's messages can be edited."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.write_message("by Ada")
    expect(ada.find_message("by Ada")).to_be_visible()
    ada.page.get_by_label("Write as Lin").check()
    expect(ada.channel_composer).to_be_focused()
    ada.write_message("by Lin")

    expect(ada.find_message("by Lin").locator(".who")).to_have_text("Lin")
    ada.find_message("by Ada").hover()
    expect(ada.find_message("by Ada").get_by_role("button", name="Edit message")).to_have_count(0)
    ada.find_message("by Lin").hover()
    expect(ada.find_message("by Lin").get_by_role("button", name="Edit message")).to_be_visible()
    assert [message["user"] for message in workspace.read_messages(channel_id)] == [ADA, LIN]


def test_an_own_message_can_be_edited(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The editor shows the typed text; Enter saves it with a visible mark."""
    workspace.post_message(ADA, channel_id, "ask @StarChat about <T> & https://example.org/x")
    ada = open_reader(workspace).open_channel(channel_id)
    lin = open_reader(workspace, LIN).open_channel(channel_id)
    ada.press_tool(ada.find_message("ask"), "Edit message")
    editor = ada.page.get_by_role("textbox", name="Edit message")
    expect(editor).to_have_value("ask @StarChat about <T> & https://example.org/x")
    editor.fill("ask @StarChat nothing")
    editor.press("Enter")

    expect(lin.find_message("nothing")).to_contain_text("(edited)")
    expect(ada.channel_composer).to_be_focused()
    assert message_texts(workspace.read_messages(channel_id)) == [f"ask <@{STARCHAT}> nothing"]


def test_escape_cancels_an_edit(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The message is unchanged, even if others post during the edit."""
    ts = workspace.post_message(ADA, channel_id, "as it was")
    ada = open_reader(workspace).open_channel(channel_id)
    expect(ada.find_message("as it was")).to_be_visible()
    ada.channel_composer.press("ArrowUp")
    editor = ada.page.get_by_role("textbox", name="Edit message")
    editor.fill("half a thought")
    workspace.set_reaction(LIN, channel_id, ts, "eyes")
    workspace.post_message(LIN, channel_id, "a new message")
    expect(ada.find_message("a new message")).to_be_visible()
    expect(editor).to_have_value("half a thought")
    editor.press("Escape")

    expect(ada.find_message("as it was").locator(".reaction")).to_have_text("👀1")
    assert message_texts(workspace.read_messages(channel_id)) == ["as it was", "a new message"]


def test_deleting_asks_first_and_leaves_a_tombstone(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A message without replies disappears; a root with replies says that it was deleted."""
    root = workspace.post_message(ADA, channel_id, "root with replies")
    workspace.post_message(LIN, channel_id, "a reply", root)
    workspace.post_message(ADA, channel_id, "lonely")
    ada = open_reader(workspace).open_channel(channel_id)
    ada.press_tool(ada.find_message("lonely"), "Delete message")
    ada.page.get_by_role("button", name="Cancel").click()
    expect(ada.find_message("lonely")).to_be_visible()
    ada.press_tool(ada.find_message("lonely"), "Delete message")
    ada.page.get_by_role("button", name="Delete", exact=True).click()
    expect(ada.channel_column.get_by_text("lonely")).to_have_count(0)
    ada.press_tool(ada.find_message("root with replies"), "Delete message")
    ada.page.get_by_role("button", name="Delete", exact=True).click()

    expect(ada.find_message("This message was deleted.").locator(".summary")).to_contain_text(
        "1 reply"
    )
    expect(ada.channel_column.get_by_text("root with replies")).to_have_count(0)


def test_reactions_are_added_and_removed(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The picker adds a reaction, a click on it removes it, and everyone sees both."""
    workspace.post_message(LIN, channel_id, "done")
    ada = open_reader(workspace).open_channel(channel_id)
    lin = open_reader(workspace, LIN).open_channel(channel_id)
    ada.press_tool(ada.find_message("done"), "React")
    ada.page.get_by_role("dialog", name="Emoji").get_by_label("tada").click()
    chip = lin.find_message("done").locator(".reaction")
    expect(chip).to_have_text("🎉1")
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    expect(ada.find_message("done").locator(".reaction")).to_have_text("🎉2")
    ada.find_message("done").locator(".reaction").click()

    expect(chip).to_have_text("🎉1")
    expect(chip).to_have_attribute("aria-pressed", "true")


def test_unread_channels_are_marked_until_opened(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A count and a line mark new messages until the channel is opened."""
    name = next(c["name"] for c in workspace.read_state()["channels"] if c["id"] == channel_id)
    lin = open_reader(workspace, LIN).open_channel()
    workspace.post_message(ADA, channel_id, "first")
    workspace.post_message(SAM, channel_id, "@Lin second")
    entry = lin.find_sidebar_entry(name)
    expect(entry).to_have_accessible_name(f"{name}, 2 unread")
    expect(entry).to_have_class(re.compile("named"))
    entry.click()

    expect(lin.channel_column.get_by_role("separator", name="New")).to_be_visible()
    expect(entry).to_have_accessible_name(name)
    expect(lin.find_message("second").locator(".mention.self")).to_have_text("@Lin")


def test_a_group_message_can_be_opened(workspace: Workspace, open_reader: OpenReader) -> None:
    """Choosing two people opens one conversation with both."""
    ada = open_reader(workspace).open_channel()
    ada.page.get_by_label("New direct message").click()
    ada.page.get_by_role("dialog").get_by_label("Sam").check()
    ada.page.get_by_role("dialog").get_by_label("StarChat").check()
    ada.page.get_by_role("button", name="Open", exact=True).click()
    expect(ada.channel_composer).to_have_attribute("placeholder", re.compile(r"^Message .*Sam"))
    ada.write_message("hello you two")

    expect(ada.find_message("hello you two")).to_be_visible()
    expect(ada.channel_column.get_by_role("heading", level=2)).to_contain_text("StarChat")


def test_the_apps_status_is_shown_in_the_thread(
    workspace: Workspace, channel_id: str, open_reader: OpenReader, bot_client: WebClient
) -> None:
    """The bot's next message clears the status."""
    question = workspace.post_message(ADA, channel_id, "@StarChat think")
    ada = open_reader(workspace).open_channel(channel_id, question)
    bot_client.assistant_threads_setStatus(
        channel_id=channel_id, thread_ts=question, status="is thinking…"
    )
    line = ada.thread_column.locator(".doing-line")
    expect(line).to_have_text("StarChat is thinking…")
    expect(ada.find_message("think").locator(".summary")).to_contain_text("StarChat is thinking…")
    bot_client.chat_postMessage(channel=channel_id, thread_ts=question, text="Thought.")

    expect(line).to_have_text("")


def test_an_ephemeral_message_is_visible_to_one_person(
    workspace: Workspace, channel_id: str, open_reader: OpenReader, bot_client: WebClient
) -> None:
    """The message says so."""
    ada = open_reader(workspace).open_channel(channel_id)
    lin = open_reader(workspace, LIN).open_channel(channel_id)
    bot_client.chat_postEphemeral(channel=channel_id, user=ADA, text="between us")
    workspace.post_message(SAM, channel_id, "for all")

    expect(ada.find_message("between us")).to_contain_text("Only visible to you")
    expect(lin.find_message("for all")).to_be_visible()
    expect(lin.channel_column.get_by_text("between us")).to_have_count(0)
