"""Interactivity with a Bolt app: buttons, modals, Home tab, Stop button, slash commands."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from slack_bolt import Ack, App, Respond
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.workspace import ADA, GENERAL, LIN, STARCHAT, RefusedError, Workspace, message_texts

Json = dict[str, Any]


PLAIN = {"type": "plain_text", "text": "a"}


TEXT_INPUT = {"type": "plain_text_input", "action_id": "words"}


MODAL = {
    "type": "modal",
    "callback_id": "ask",
    "title": PLAIN,
    "submit": PLAIN,
    "notify_on_close": True,
    "blocks": [{"type": "input", "block_id": "question", "label": PLAIN, "element": TEXT_INPUT}],
}


BUTTONS = [
    {
        "type": "actions",
        "block_id": "row",
        "elements": [{"type": "button", "action_id": "again", "text": PLAIN, "value": "v"}],
    }
]


HOME = {"type": "home", "blocks": BUTTONS}


@pytest.fixture
def received() -> "queue.SimpleQueue[Any]":
    """What the app has heard."""
    return queue.SimpleQueue()


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here; its clock is slow, so that no trigger grows old."""
    with Workspace("--ack-seconds", "30", "--speed", "0.01") as workspace:
        yield workspace


@contextmanager
def run_app(workspace: Workspace, add_app_listeners: Callable[[App], None]) -> Iterator[WebClient]:
    """Run a Bolt app with these listeners beside one that acknowledges all messages."""

    def add_listeners(app: App) -> None:
        add_app_listeners(app)
        app.event("message")(lambda: None)

    with run_bolt_app(workspace, add_listeners) as app:
        yield app.client


def test_a_pressed_button_reaches_the_app_and_is_answered(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app hears who pressed what where, and answers by `response_url`."""

    def add_listeners(app: App) -> None:
        @app.action("again")
        def answer_press(ack: Ack, body: Json, respond: Respond) -> None:
            ack()
            respond("only for you")
            respond("for all", response_type="in_channel")
            respond("changed", replace_original=True)
            received.put(body)

    with run_app(workspace, add_listeners) as client:
        ts = str(client.chat_postMessage(channel=GENERAL, text="press", blocks=BUTTONS)["ts"])
        press = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "again"}
        workspace.post_json("_page/click", press)
        body = received.get(timeout=30)
        seen = message_texts(workspace.read_messages(GENERAL))
        with pytest.raises(RefusedError, match="action_not_found"):
            workspace.post_json("_page/click", {**press, "action_id": "odd"})

    assert (body["user"]["id"], body["actions"][0]["value"]) == (ADA, "v")
    assert body["message"]["ts"] == ts
    assert seen[-3:] == ["changed", "only for you", "for all"]
    assert "only for you" not in message_texts(workspace.read_messages(GENERAL, user=LIN))


def test_a_whisper_can_be_replaced_and_taken_away(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Buttons work in ephemeral messages, whose only handle is the answering address."""

    def add_listeners(app: App) -> None:
        @app.action("again")
        def answer_press(ack: Ack, respond: Respond) -> None:
            ack()
            respond("second", replace_original=True, blocks=BUTTONS)
            respond(delete_original=True)
            received.put(None)

    with run_app(workspace, add_listeners) as client:
        whisper = client.chat_postEphemeral(channel=GENERAL, user=ADA, text="first", blocks=BUTTONS)
        ts = str(whisper["message_ts"])
        press = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "again"}
        workspace.post_json("_page/click", press)
        received.get(timeout=30)
    assert "first" not in message_texts(workspace.read_messages(GENERAL))


class ModalUser:
    """Ada's modals."""

    def __init__(self, workspace: Workspace) -> None:
        self._town = workspace
        self._message = workspace.post_message(ADA, GENERAL, "look at this")

    def list_modals(self) -> list[Json]:
        """Return what is open, the topmost last."""
        return list(self._town.get_json("_page/views", user=ADA)["modals"])

    def run_shortcut(self) -> None:
        """Choose the app's shortcut on a message, and wait for the modal."""
        wish = {"user": ADA, "channel": GENERAL, "callback_id": "ask_about_message"}
        self._town.post_json("_page/shortcut", {**wish, "ts": self._message})
        self._town.wait_until(self.list_modals)

    def submit_modal(self, text: str) -> int:
        """Send off the topmost modal; returns how many stay open."""
        values = {"question": {"words": {"type": "plain_text_input", "value": text}}}
        view = {"user": ADA, "view_id": self.list_modals()[-1]["id"], "values": values}
        answer = self._town.post_json("_page/submit", view)
        assert answer["ok"] or answer["errors"] == {"question": "Say something."}
        return len(self.list_modals())


def add_modal_listeners(app: App, received: "queue.SimpleQueue[Any]") -> None:
    """Open a modal by shortcut and answer it by its words."""
    answers: Json = {
        "": {"response_action": "errors", "errors": {"question": "Say something."}},
        "more": {"response_action": "push", "view": MODAL},
        "other": {"response_action": "update", "view": MODAL},
        "all": {"response_action": "clear"},
    }

    @app.shortcut("ask_about_message")
    def open_modal(ack: Ack, body: Json, client: WebClient) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("ask")
    def handle_submission(ack: Ack, view: Json) -> None:
        words = view["state"]["values"]["question"]["words"]["value"]
        ack(**answers.get(words, {}))
        received.put(words)

    @app.view_closed("ask")
    def handle_close(ack: Ack) -> None:
        ack()
        received.put("closed")


def test_a_modal_lives_by_the_answers_to_it(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Errors keep it open, an update changes it, a push covers it, a clear ends them all."""
    with run_app(workspace, lambda app: add_modal_listeners(app, received)):
        desk = ModalUser(workspace)
        desk.run_shortcut()
        open_after = [desk.submit_modal(words) for words in ("", "other", "more", "fine", "all")]
        words = [received.get(timeout=30) for _ in open_after]
    assert open_after == [1, 1, 2, 1, 0]
    assert words == ["", "other", "more", "fine", "all"]


def test_a_closed_modal_is_told_and_is_ones_own(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Nobody else closes it, and it is sent off in its own form."""
    with run_app(workspace, lambda app: add_modal_listeners(app, received)):
        desk = ModalUser(workspace)
        desk.run_shortcut()
        view = {"user": ADA, "view_id": desk.list_modals()[0]["id"]}
        with pytest.raises(RefusedError, match="not_found"):
            workspace.post_json("_page/close", {**view, "user": LIN})
        with pytest.raises(RefusedError, match="invalid_arguments"):
            workspace.post_json("_page/submit", {**view, "values": []})
        workspace.post_json("_page/close", view)
        assert received.get(timeout=30) == "closed"
    assert desk.list_modals() == []


def test_the_home_tab_is_published_when_it_is_opened(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app hears which tab is looked at, and of buttons on its Home."""

    def add_listeners(app: App) -> None:
        @app.event("app_home_opened")
        def publish_home(event: Json, client: WebClient) -> None:
            client.views_publish(user_id=event["user"], view=HOME)
            received.put("view" in event)

        @app.action("again")
        def answer_press(ack: Ack, body: Json) -> None:
            ack()
            received.put(body["view"]["type"])

    with run_app(workspace, add_listeners):
        for published in (False, True):
            workspace.post_json("_page/home", {"user": LIN})
            assert received.get(timeout=30) is published
        home = workspace.get_json("_page/views", user=LIN)["home"]
        press = {"user": LIN, "view_id": home["id"], "action_id": "again", "block_id": "row"}
        workspace.post_json("_page/click", press)
        assert received.get(timeout=30) == "home"


def test_a_stream_is_stopped_by_its_reader(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Stop tells the app which messages were growing; its next piece is refused."""

    def add_listeners(app: App) -> None:
        @app.event("agent_session_stopped")
        def handle_stop(event: Json) -> None:
            received.put(event)

    with run_app(workspace, add_listeners) as client:
        root = workspace.post_message(ADA, GENERAL, "@StarChat count")
        stop = {"user": ADA, "channel": GENERAL, "thread_ts": root}
        with pytest.raises(RefusedError, match="not_processing"):
            workspace.post_json("_page/stop", stop)
        stream = client.chat_stream(
            channel=GENERAL,
            thread_ts=root,
            recipient_user_id=ADA,
            recipient_team_id="T0FAKE0001",
            buffer_size=1,
        )
        stream.append(markdown_text="one ")
        stream.append(markdown_text="two ")
        [growing] = workspace.bot_replies(GENERAL, root)
        workspace.post_json("_page/stop", stop)
        event = received.get(timeout=30)
        with pytest.raises(Exception, match="stopped_by_user"):
            stream.append(markdown_text="three")
    assert growing["text"] == "one two "
    assert event["streaming_message_ts"] == [growing["ts"]]
    assert (event["user"], event["thread_ts"]) == (ADA, root)


def test_a_command_may_answer_in_the_channel(workspace: Workspace) -> None:
    """What the acknowledgement says is shown as it asks."""

    def add_listeners(app: App) -> None:
        @app.command("/starchat")
        def answer_command(ack: Ack, command: Json) -> None:
            ack(f"you said {command['text']}", response_type="in_channel")

        @app.command("/quiet")
        def acknowledge_command(ack: Ack) -> None:
            ack()

    with run_app(workspace, add_listeners):
        workspace.send_control("app", commands=["/starchat", "/quiet"])
        workspace.post_message(ADA, GENERAL, "/starchat  hello there")
        workspace.post_message(ADA, GENERAL, "/quiet")
        last = workspace.read_messages(GENERAL)[-1]
    assert (last["text"], last["user"]) == ("you said hello there", STARCHAT)


def test_an_answering_address_that_is_none_is_refused(workspace: Workspace) -> None:
    """Old and invented addresses do nothing."""
    with pytest.raises(RefusedError, match="expired_url"):
        workspace.post_json("response/R9", {"text": "hi"})


def test_only_members_press_what_is_there(workspace: Workspace) -> None:
    """A message must exist, and be in a place of one's own."""
    press = {"user": ADA, "channel": GENERAL, "ts": "1.000000", "action_id": "again"}
    with pytest.raises(RefusedError, match="message_not_found"):
        workspace.post_json("_page/click", press)
    den = workspace.send_control("create", name="den", members=[LIN])["channel"]
    with pytest.raises(RefusedError, match="not_in_channel"):
        workspace.post_json("_page/click", {**press, "channel": den})
