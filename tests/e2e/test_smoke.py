"""`python -m bot smoke`: all steps work on the whole product, and failures are told."""

import json
import signal

from testing.memorizing_model import ENDLESS, FOLLOW_UP, GREET, MUTEX, REVERSE
from testing.processes import Process
from testing.product import Product, find_answers
from testing.workspace import ADA, BOT_TOKEN, PYTHON, STARCHAT, Messages

POLL_SECONDS = "0.2"


def start_smoke(product: Product, *arguments: str) -> Process:
    """Start the smoke test as an operator does."""
    return Process("bot", "smoke", "--poll", POLL_SECONDS, *arguments, **product.settings)


def press_button(product: Product, channel: str, thread_ts: str, action_id: str) -> None:
    """Press a button in a thread as Ada, as soon as there is one."""

    def find_button(messages: Messages) -> Messages:
        return [m for m in messages if f'"{action_id}"' in json.dumps(m.get("blocks"))]

    found = product.workspace.wait_for_messages(find_button, channel, thread_ts)
    click = {"user": ADA, "channel": channel, "ts": find_button(found)[0]["ts"]}
    product.workspace.post_json("_page/click", click | {"action_id": action_id})


def ask_in_channel(product: Product, smoke: Process, text: str, *, pause: bool = False) -> str:
    """
    Follow the next instruction: mention the bot in the channel; return the timestamp.

    With `pause` the worker is paused, so that no reply ends before the person is ready.
    """
    smoke.wait_for_line("In the channel, write")
    if pause:
        product.workers[0].send_signal(signal.SIGSTOP)
    return product.workspace.post_message(ADA, PYTHON, f"@StarChat {text}")


def hold_conversation(product: Product, smoke: Process) -> None:
    """Do what the steps `mention` to `edit` ask for."""
    workspace = product.workspace
    first = ask_in_channel(product, smoke, MUTEX)
    smoke.wait_for_line("In the thread of that reply")
    workspace.post_message(ADA, PYTHON, FOLLOW_UP, first)
    smoke.wait_for_line("In a direct message")
    direct = workspace.open_dm(ADA, STARCHAT)
    question = workspace.post_message(ADA, direct, MUTEX)
    smoke.wait_for_line("Edit the question")
    workspace.edit_message(ADA, direct, question, REVERSE)
    press_button(product, direct, question, "answer_again")


def delete_question(product: Product, smoke: Process) -> None:
    """Do what the step `delete` asks for."""
    question = ask_in_channel(product, smoke, ENDLESS, pause=True)
    smoke.wait_for_line("Delete that message")
    product.workspace.delete_message(ADA, PYTHON, question)
    product.workers[0].send_signal(signal.SIGCONT)


def stop_reply(product: Product, smoke: Process) -> None:
    """Do what the step `stop` asks for."""
    question = ask_in_channel(product, smoke, ENDLESS, pause=True)
    press_button(product, PYTHON, question, "stop_reply")
    product.workers[0].send_signal(signal.SIGCONT)


def attach_file(product: Product, smoke: Process) -> None:
    """Do what the step `file-in` asks for."""
    smoke.wait_for_line("In the channel, attach")
    files = [{"name": "deploy.py", "base64": "cHJpbnQoMSkK", "mimetype": "text/plain"}]
    product.workspace.post_message(ADA, PYTHON, "@StarChat What is this?", files=files)


def test_all_steps_work_on_the_product(product: Product) -> None:
    """A person does what each step says; the table says ok, and holds no token and no text."""
    with start_smoke(product, "--channel", PYTHON) as smoke:
        hold_conversation(product, smoke)
        delete_question(product, smoke)
        stop_reply(product, smoke)
        attach_file(product, smoke)
        smoke.wait_for_line("Add a thumbs-up")
        threads = product.workspace.read_messages(PYTHON)
        # Other tests have asked it in this channel before.
        *_, first = [m for m in threads if m["text"].endswith(MUTEX)]
        [reply] = find_answers(product.workspace.bot_replies(PYTHON, first["ts"]), first["ts"])
        product.workspace.set_reaction(ADA, PYTHON, reply["ts"], "+1")
        smoke.wait_for_line("Stop the bot")
        product.bot.stop_process()
        product.workspace.post_message(ADA, PYTHON, f"@StarChat {GREET}")
        product.bot = product.start_bot()
        smoke.wait_for_line("12 of 12 steps worked.")

        assert smoke.wait_for_exit() == 0
        assert BOT_TOKEN not in smoke.log_text
        assert "lets one thread" not in smoke.log_text


def test_missing_message_and_scope_are_told(product: Product) -> None:
    """A step without its message fails in time; a refused call names the missing scope."""
    steps = ("--steps", "mention", "edit", "file-out", "--timeout", "0.5")
    with start_smoke(product, "--channel", PYTHON, *steps) as smoke:
        smoke.wait_for_line("0 of 3 steps worked.")

        assert smoke.wait_for_exit() == 1
        assert "mention: FAILED, no such message was seen within 0 s" in smoke.log_text
        assert "edit: FAILED, an earlier step failed or was left out" in smoke.log_text


def test_unknown_channel_stops_with_one_line(product: Product) -> None:
    """An operator's mistake: exit status 2, and a line with what was expected."""
    with start_smoke(product, "--channel", "C0NOSUCH01") as smoke:
        assert smoke.wait_for_exit() == 2
        [line] = smoke.lines
        expected = "a channel that the bot is a member of"
        assert line == f"bot: --channel must be {expected}, not 'C0NOSUCH01' (channel_not_found)"
