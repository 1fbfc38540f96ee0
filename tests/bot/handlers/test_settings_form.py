"""Form of a channel's rules: opened, saved once, undone, and refused."""

from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.rules.settings_handler import CLOSE, SettingsCommand, SettingsHandler
from bot.records.database import RecordsUnavailableError
from bot.rules import texts
from bot.rules.channel_rules import ChannelRules, WhoMayAsk
from contract.language import Language
from testing.polling import poll_until
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, SAM, Workspace
from tests.bot.handlers.rule_parts import ADMIN, build_rule_reader, build_settings
from tests.bot.rules.forms import make_body

Json = dict[str, Any]
TEAM = BOT_IDENTITY.team


@pytest.fixture
def rules(redis: Redis, web: WebClient, tmp_path: Path) -> RuleReader:
    """Return a reader of an empty database."""
    return build_rule_reader(redis, web, tmp_path)


@pytest.fixture
def form(rules: RuleReader, web: WebClient, background: BackgroundTasks) -> SettingsHandler:
    """Return the handler of the form."""
    return build_settings(rules, web, background)


def undo(form: SettingsHandler, trigger: str, user: str = ADA) -> str:
    """Take a change back; return the words."""
    return str(form.undo_change(SettingsCommand(GENERAL, user, trigger)).text)


def show_text(answer: Json) -> str:
    """Return the words of the view that replaces a form."""
    assert answer["response_action"] == "update"
    return str(answer["view"]["blocks"])


def test_saved_form_is_read_by_the_next_question(form: SettingsHandler, rules: RuleReader) -> None:
    """The database and the cache have it before the acknowledgement."""
    rules.refresh_cache()
    answer = form.submit_form(make_body(GENERAL, 0, user=ADA, who="none", prompt="Use Go."))

    assert answer == CLOSE
    expected = ChannelRules(who=WhoMayAsk.NO_ONE, prompt="Use Go.")
    assert rules.read_rules(GENERAL, Source.CACHE) == expected
    assert rules.store.load_rules(TEAM, GENERAL) == (expected, 1)


def test_form_submitted_twice_is_saved_once(form: SettingsHandler, rules: RuleReader) -> None:
    """Both presses close the form."""
    body = make_body(GENERAL, 0, user=ADA, who="none")

    assert [form.submit_form(body) for _ in range(2)] == [CLOSE, CLOSE]
    assert rules.store.load_rules(TEAM, GENERAL).version == 1


def test_wrong_inputs_keep_the_form_open(form: SettingsHandler, workspace: Workspace) -> None:
    """Each has a sentence below it; a user group is read before it may stop everyone."""
    answer = form.submit_form(make_body(GENERAL, 0, user=ADA, temperature="9"))
    assert answer["response_action"] == "errors"
    assert set(answer["errors"]) == {"temperature"}

    gone = form.submit_form(make_body(GENERAL, 0, user=ADA, who="group", group="S0GONE0001"))
    assert gone["errors"] == {"group": str(texts.GROUP_NOT_FOUND)}
    workspace.set_faults({"method": "usergroups.users.list", "fault": "ratelimited"})
    slow = form.submit_form(make_body(GENERAL, 0, user=ADA, who="group", group="S0SLOW0001"))
    workspace.set_faults()
    assert slow["errors"] == {"group": str(texts.GROUP_NOT_CHECKED)}


def test_form_of_changed_rules_keeps_what_was_typed(
    form: SettingsHandler, rules: RuleReader
) -> None:
    """It shows who has changed what; saving it once more replaces the newer rules."""
    form.submit_form(make_body(GENERAL, 0, user=ADMIN, who="none"))
    answer = form.submit_form(make_body(GENERAL, 0, user=ADA, view_id="V2", prompt="mine"))
    shown = show_text(answer)
    assert f"<@{ADMIN}> has changed these rules since you opened the form: who may ask." in shown
    assert "I answer no questions here." in shown
    assert "'initial_value': 'mine'" in shown
    assert rules.store.load_rules(TEAM, GENERAL).rules.prompt == ""

    again = make_body(GENERAL, 1, user=ADA, view_id="V2", prompt="mine")
    assert answer["view"]["private_metadata"] == again["view"]["private_metadata"]
    assert form.submit_form(again) == CLOSE
    assert rules.store.load_rules(TEAM, GENERAL) == (ChannelRules(prompt="mine"), 2)


def test_person_who_lost_the_right_changes_nothing(
    form: SettingsHandler, rules: RuleReader, workspace: Workspace
) -> None:
    """The right is checked when the form is submitted, by what Slack says then."""
    workspace.send_control("person", id=SAM, name="Sam", is_admin=True)
    assert form.submit_form(make_body(GENERAL, 0, user=SAM, who="none")) == CLOSE
    workspace.send_control("person", id=SAM, name="Sam")
    answer = form.submit_form(make_body(GENERAL, 1, user=SAM, view_id="V2", who="everyone"))

    assert str(texts.NOT_A_MANAGER) in show_text(answer)
    assert undo(form, "1", SAM) == str(texts.NOT_A_MANAGER)
    assert rules.store.load_rules(TEAM, GENERAL).rules.who is WhoMayAsk.NO_ONE


def test_unknown_right_is_no_right(form: SettingsHandler, workspace: Workspace) -> None:
    """If Slack does not answer, nothing changes."""
    workspace.set_faults({"method": "users.info", "fault": "ratelimited"})
    answer = form.submit_form(make_body(GENERAL, 0, user=ADA, who="none"))
    workspace.set_faults()

    assert str(texts.MANAGER_UNKNOWN) in show_text(answer)


def test_undo_is_done_once_a_command(form: SettingsHandler, rules: RuleReader) -> None:
    """A second delivery of the command says that it was done."""
    form.submit_form(make_body(GENERAL, 0, user=ADA, who="none", top_k="3"))

    assert undo(form, "1") == str(texts.describe_undone(("who", "top_k")))
    assert undo(form, "1") == str(texts.ALREADY_DONE)
    assert undo(form, "2") == str(texts.NOTHING_TO_UNDO)
    assert rules.read_rules(GENERAL, Source.LAST_TRY) == ChannelRules()


def test_database_that_is_away_says_so(form: SettingsHandler, rules: RuleReader) -> None:
    """What was typed stays in the form, and the second press saves it once."""
    rules.store.records.close_database()
    answer = form.submit_form(make_body(GENERAL, 0, user=ADA, prompt="long text"))

    assert str(texts.SAVE_FAILED) in show_text(answer)
    assert "long text" in show_text(answer)
    assert undo(form, "1") == str(texts.RULES_UNAVAILABLE)
    with pytest.raises(RecordsUnavailableError):
        rules.refresh_cache()


def test_malformed_form_is_answered(form: SettingsHandler) -> None:
    """A payload that no form sends changes nothing."""
    assert str(texts.FORM_UNREADABLE) in show_text(form.submit_form({"view": {}}))


def test_direct_message_has_no_form(form: SettingsHandler) -> None:
    """There, one person asks."""
    command = SettingsCommand("D0DIRECT01", ADA, "1")

    words = form.open_form(command)
    assert words is not None
    assert words.text == form.undo_change(command).text == texts.DIRECT_MESSAGE_RULES


def test_form_opens_within_the_life_of_its_trigger(
    form: SettingsHandler, workspace: Workspace
) -> None:
    """A trigger that is too old is answered by a word."""
    start = len(workspace.api_calls())
    assert form.open_form(SettingsCommand(GENERAL, LIN, "expired")) is None
    [call] = poll_until(
        lambda: workspace.api_calls(start, "chat.postEphemeral"), description="the word"
    )

    assert call["args"]["text"] == str(texts.SETTINGS_EXPIRED)


def test_language_is_a_rule_like_the_others(form: SettingsHandler, rules: RuleReader) -> None:
    """It is saved and logged, and undo takes it back."""
    assert form.submit_form(make_body(GENERAL, 0, user=ADA, language="zh_CN")) == CLOSE
    assert rules.read_rules(GENERAL, Source.LAST_TRY).language is Language.CHINESE
    last = rules.store.find_last_change(TEAM, GENERAL)
    assert last is not None
    assert last.rules == ("language",)

    assert undo(form, "1") == str(texts.describe_undone(("language",)))
    assert rules.read_rules(GENERAL, Source.LAST_TRY).language is None
