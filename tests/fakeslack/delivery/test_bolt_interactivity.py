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
    """Queue of what the app has received."""
    return queue.SimpleQueue()


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here; its clock is slow, so that no trigger id expires."""
    with Workspace("--ack-seconds", "30", "--speed", "0.01") as workspace:
        yield workspace


@contextmanager
def run_app(workspace: Workspace, add_app_listeners: Callable[[App], None]) -> Iterator[WebClient]:
    """Run a Bolt app with these listeners and one that acknowledges every message."""

    def add_listeners(app: App) -> None:
        add_app_listeners(app)
        app.event("message")(lambda: None)

    with run_bolt_app(workspace, add_listeners) as app:
        yield app.client


def test_a_button_press_is_answered_by_response_url(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app receives person, message and value, and answers by `response_url`."""

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


def test_an_ephemeral_message_is_replaced_and_deleted(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """A response URL edits and deletes an ephemeral message."""

    def add_listeners(app: App) -> None:
        @app.action("again")
        def answer_press(ack: Ack, respond: Respond) -> None:
            ack()
            respond("second", replace_original=True, blocks=BUTTONS)
            respond(delete_original=True)
            received.put(None)

    with run_app(workspace, add_listeners) as client:
        ephemeral = client.chat_postEphemeral(
            channel=GENERAL, user=ADA, text="first", blocks=BUTTONS
        )
        ts = str(ephemeral["message_ts"])
        press = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "again"}
        workspace.post_json("_page/click", press)
        received.get(timeout=30)
    assert "first" not in message_texts(workspace.read_messages(GENERAL))


class ModalUser:
    """Ada, who opens and submits modals."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._message = workspace.post_message(ADA, GENERAL, "look at this")

    def list_modals(self) -> list[Json]:
        """Return the open modals, the topmost last."""
        return list(self._workspace.get_json("_page/views", user=ADA)["modals"])

    def run_shortcut(self) -> None:
        """Run the app's message shortcut and wait for the modal."""
        shortcut = {"user": ADA, "channel": GENERAL, "callback_id": "ask_about_message"}
        self._workspace.post_json("_page/shortcut", {**shortcut, "ts": self._message})
        self._workspace.wait_until(self.list_modals)

    def submit_modal(self, text: str) -> int:
        """Submit the topmost modal; return the number of modals that stay open."""
        values = {"question": {"words": text}}
        view = {"user": ADA, "view_id": self.list_modals()[-1]["id"], "values": values}
        answer = self._workspace.post_json("_page/submit", view)
        assert answer["ok"] or answer["errors"] == {"question": "Say something."}
        return len(self.list_modals())


def add_modal_listeners(app: App, received: "queue.SimpleQueue[Any]") -> None:
    """Open a modal by shortcut; choose the response by the submitted text."""
    answers: Json = {
        "no": {"response_action": "errors", "errors": {"question": "Say something."}},
        "more": {"response_action": "push", "view": MODAL},
        "other": {"response_action": "update", "view": MODAL},
        "last": {"response_action": "push", "view": {**MODAL, "clear_on_close": True}},
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
    def handle_close(ack: Ack, body: Json) -> None:
        ack()
        received.put("all closed" if body["is_cleared"] else "closed")


def test_a_submitted_modal_follows_its_response_action(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Errors keep it open, update replaces it, push covers it, clear closes all."""
    with run_app(workspace, lambda app: add_modal_listeners(app, received)):
        modal_user = ModalUser(workspace)
        modal_user.run_shortcut()
        open_after = [
            modal_user.submit_modal(words) for words in ("no", "other", "more", "fine", "all")
        ]
        words = [received.get(timeout=30) for _ in open_after]
    assert open_after == [1, 1, 2, 1, 0]
    assert words == ["no", "other", "more", "fine", "all"]


def test_only_its_person_closes_or_submits_a_modal(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """`view_closed` reaches the app; another person and malformed values are refused."""
    with run_app(workspace, lambda app: add_modal_listeners(app, received)):
        modal_user = ModalUser(workspace)
        modal_user.run_shortcut()
        view = {"user": ADA, "view_id": modal_user.list_modals()[0]["id"]}
        with pytest.raises(RefusedError, match="not_found"):
            workspace.post_json("_page/close", {**view, "user": LIN})
        with pytest.raises(RefusedError, match="invalid_arguments"):
            workspace.post_json("_page/submit", {**view, "values": []})
        empty = workspace.post_json("_page/submit", {**view, "values": {"question": {"words": ""}}})
        assert empty["errors"] == {"question": "Please complete this required field."}
        workspace.post_json("_page/close", view)
        assert received.get(timeout=30) == "closed"
    assert modal_user.list_modals() == []


def test_a_modal_with_clear_on_close_takes_its_stack_along(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app learns it by `is_cleared`."""
    with run_app(workspace, lambda app: add_modal_listeners(app, received)):
        modal_user = ModalUser(workspace)
        modal_user.run_shortcut()
        assert modal_user.submit_modal("last") == 2
        top = modal_user.list_modals()[-1]
        workspace.post_json("_page/close", {"user": ADA, "view_id": top["id"]})
        assert [received.get(timeout=30) for _ in range(2)] == ["last", "all closed"]
    assert modal_user.list_modals() == []


def test_opening_the_home_tab_publishes_it(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app receives the open tab, and presses of the Home tab's buttons."""

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


def test_the_stop_button_ends_a_stream(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """The app receives the stopped messages; its next append is refused."""

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


def test_a_slash_command_can_answer_in_the_channel(workspace: Workspace) -> None:
    """The acknowledgement's text is posted in the channel if it asks for that."""

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
