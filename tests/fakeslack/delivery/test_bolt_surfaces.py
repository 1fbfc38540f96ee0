"""A real Bolt app lives on every surface: buttons, modals, shortcuts, Home, streams, Stop."""

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
ASK = {"type": "plain_text_input", "action_id": "words"}
MODAL = {
    "type": "modal",
    "callback_id": "ask",
    "title": PLAIN,
    "submit": PLAIN,
    "notify_on_close": True,
    "blocks": [{"type": "input", "block_id": "question", "label": PLAIN, "element": ASK}],
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
def heard() -> "queue.SimpleQueue[Any]":
    """What the app has heard."""
    return queue.SimpleQueue()


@pytest.fixture(scope="module")
def town() -> Iterator[Workspace]:
    """One workspace for all tests here; its clock is slow, so that no trigger grows old."""
    with Workspace("--ack-seconds", "30", "--speed", "0.01") as workspace:
        yield workspace


@contextmanager
def running(town: Workspace, listen: Callable[[App], None]) -> Iterator[WebClient]:
    """Run a Bolt app with these listeners beside one that acknowledges all messages."""

    def also(app: App) -> None:
        listen(app)
        app.event("message")(lambda: None)

    with run_bolt_app(town, also) as app:
        yield app.client


def test_a_pressed_button_reaches_the_app_and_is_answered(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """The app hears who pressed what where, and answers by `response_url`."""

    def listen(app: App) -> None:
        @app.action("again")
        def pressed(ack: Ack, body: Json, respond: Respond) -> None:
            ack()
            respond("only for you")
            respond("for all", response_type="in_channel")
            respond("changed", replace_original=True)
            heard.put(body)

    with running(town, listen) as client:
        ts = str(client.chat_postMessage(channel=GENERAL, text="press", blocks=BUTTONS)["ts"])
        press = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "again"}
        town.post_json("_page/click", press)
        body = heard.get(timeout=30)
        seen = message_texts(town.read_messages(GENERAL))
        with pytest.raises(RefusedError, match="action_not_found"):
            town.post_json("_page/click", {**press, "action_id": "odd"})

    assert (body["user"]["id"], body["actions"][0]["value"]) == (ADA, "v")
    assert body["message"]["ts"] == ts
    assert seen[-3:] == ["changed", "only for you", "for all"]
    assert "only for you" not in message_texts(town.read_messages(GENERAL, user=LIN))


def test_a_whisper_can_be_replaced_and_taken_away(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """Buttons work in ephemeral messages, whose only handle is the answering address."""

    def listen(app: App) -> None:
        @app.action("again")
        def pressed(ack: Ack, respond: Respond) -> None:
            ack()
            respond("second", replace_original=True, blocks=BUTTONS)
            respond(delete_original=True)
            heard.put(None)

    with running(town, listen) as client:
        whisper = client.chat_postEphemeral(channel=GENERAL, user=ADA, text="first", blocks=BUTTONS)
        ts = str(whisper["message_ts"])
        press = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "again"}
        town.post_json("_page/click", press)
        heard.get(timeout=30)
    assert "first" not in message_texts(town.read_messages(GENERAL))


class Desk:
    """Ada's modals."""

    def __init__(self, town: Workspace) -> None:
        self._town = town
        self._message = town.post_message(ADA, GENERAL, "look at this")

    def modals(self) -> list[Json]:
        """Return what is open, the topmost last."""
        return list(self._town.get_json("_page/views", user=ADA)["modals"])

    def choose(self) -> None:
        """Choose the app's shortcut on a message, and wait for the modal."""
        wish = {"user": ADA, "channel": GENERAL, "callback_id": "ask_about_message"}
        self._town.post_json("_page/shortcut", {**wish, "ts": self._message})
        self._town.wait_until(self.modals)

    def submit(self, words: str) -> int:
        """Send off the topmost modal; returns how many stay open."""
        values = {"question": {"words": {"type": "plain_text_input", "value": words}}}
        view = {"user": ADA, "view_id": self.modals()[-1]["id"], "values": values}
        answer = self._town.post_json("_page/submit", view)
        assert answer["ok"] or answer["errors"] == {"question": "Say something."}
        return len(self.modals())


def listen_to_modals(app: App, heard: "queue.SimpleQueue[Any]") -> None:
    """Open a modal by shortcut and answer it by its words."""
    answers: Json = {
        "": {"response_action": "errors", "errors": {"question": "Say something."}},
        "more": {"response_action": "push", "view": MODAL},
        "other": {"response_action": "update", "view": MODAL},
        "all": {"response_action": "clear"},
    }

    @app.shortcut("ask_about_message")
    def chosen(ack: Ack, body: Json, client: WebClient) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("ask")
    def sent(ack: Ack, view: Json) -> None:
        words = view["state"]["values"]["question"]["words"]["value"]
        ack(**answers.get(words, {}))
        heard.put(words)

    @app.view_closed("ask")
    def closed(ack: Ack) -> None:
        ack()
        heard.put("closed")


def test_a_modal_lives_by_the_answers_to_it(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """Errors keep it open, an update changes it, a push covers it, a clear ends them all."""
    with running(town, lambda app: listen_to_modals(app, heard)):
        desk = Desk(town)
        desk.choose()
        open_after = [desk.submit(words) for words in ("", "other", "more", "fine", "all")]
        words = [heard.get(timeout=30) for _ in open_after]
    assert open_after == [1, 1, 2, 1, 0]
    assert words == ["", "other", "more", "fine", "all"]


def test_a_closed_modal_is_told_and_is_ones_own(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """Nobody else closes it, and it is sent off in its own form."""
    with running(town, lambda app: listen_to_modals(app, heard)):
        desk = Desk(town)
        desk.choose()
        view = {"user": ADA, "view_id": desk.modals()[0]["id"]}
        with pytest.raises(RefusedError, match="not_found"):
            town.post_json("_page/close", {**view, "user": LIN})
        with pytest.raises(RefusedError, match="invalid_arguments"):
            town.post_json("_page/submit", {**view, "values": []})
        town.post_json("_page/close", view)
        assert heard.get(timeout=30) == "closed"
    assert desk.modals() == []


def test_the_home_tab_is_published_when_it_is_opened(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """The app hears which tab is looked at, and of buttons on its Home."""

    def listen(app: App) -> None:
        @app.event("app_home_opened")
        def opened(event: Json, client: WebClient) -> None:
            client.views_publish(user_id=event["user"], view=HOME)
            heard.put("view" in event)

        @app.action("again")
        def pressed(ack: Ack, body: Json) -> None:
            ack()
            heard.put(body["view"]["type"])

    with running(town, listen):
        for published in (False, True):
            town.post_json("_page/home", {"user": LIN})
            assert heard.get(timeout=30) is published
        home = town.get_json("_page/views", user=LIN)["home"]
        press = {"user": LIN, "view_id": home["id"], "action_id": "again", "block_id": "row"}
        town.post_json("_page/click", press)
        assert heard.get(timeout=30) == "home"


def test_a_stream_is_stopped_by_its_reader(
    town: Workspace, heard: "queue.SimpleQueue[Any]"
) -> None:
    """Stop tells the app which messages were growing; its next piece is refused."""

    def listen(app: App) -> None:
        @app.event("agent_session_stopped")
        def stopped(event: Json) -> None:
            heard.put(event)

    with running(town, listen) as client:
        root = town.post_message(ADA, GENERAL, "@StarChat count")
        stop = {"user": ADA, "channel": GENERAL, "thread_ts": root}
        with pytest.raises(RefusedError, match="not_processing"):
            town.post_json("_page/stop", stop)
        stream = client.chat_stream(
            channel=GENERAL,
            thread_ts=root,
            recipient_user_id=ADA,
            recipient_team_id="T0FAKE0001",
            buffer_size=1,
        )
        stream.append(markdown_text="one ")
        stream.append(markdown_text="two ")
        [growing] = town.bot_replies(GENERAL, root)
        town.post_json("_page/stop", stop)
        event = heard.get(timeout=30)
        with pytest.raises(Exception, match="stopped_by_user"):
            stream.append(markdown_text="three")
    assert growing["text"] == "one two "
    assert event["streaming_message_ts"] == [growing["ts"]]
    assert (event["user"], event["thread_ts"]) == (ADA, root)


def test_a_command_may_answer_in_the_channel(town: Workspace) -> None:
    """What the acknowledgement says is shown as it asks."""

    def listen(app: App) -> None:
        @app.command("/starchat")
        def asked(ack: Ack, command: Json) -> None:
            ack(f"you said {command['text']}", response_type="in_channel")

        @app.command("/quiet")
        def quiet(ack: Ack) -> None:
            ack()

    with running(town, listen):
        town.send_control("app", commands=["/starchat", "/quiet"])
        town.post_message(ADA, GENERAL, "/starchat  hello there")
        town.post_message(ADA, GENERAL, "/quiet")
        last = town.read_messages(GENERAL)[-1]
    assert (last["text"], last["user"]) == ("you said hello there", STARCHAT)


def test_an_answering_address_that_is_none_is_refused(town: Workspace) -> None:
    """Old and invented addresses do nothing."""
    with pytest.raises(RefusedError, match="expired_url"):
        town.post_json("response/R9", {"text": "hi"})


def test_only_members_press_what_is_there(town: Workspace) -> None:
    """A message must exist, and be in a place of one's own."""
    press = {"user": ADA, "channel": GENERAL, "ts": "1.000000", "action_id": "again"}
    with pytest.raises(RefusedError, match="message_not_found"):
        town.post_json("_page/click", press)
    den = town.send_control("create", name="den", members=[LIN])["channel"]
    with pytest.raises(RefusedError, match="not_in_channel"):
        town.post_json("_page/click", {**press, "channel": den})
