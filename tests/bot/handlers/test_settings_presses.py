"""Forms under random second presses, redeliveries and deaths: none is lost, none saved twice."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient
from sqlalchemy import select

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.job_builder import Source
from bot.handlers.rules.settings_handler import CLOSE, SettingsHandler
from bot.records.database import RecordsUnavailableError
from bot.records.tables import rule_changes
from bot.rules.channel_rules import ChannelRules
from testing.slack_events import BOT_IDENTITY
from testing.workspace import GENERAL
from tests.bot.handlers.rule_parts import ADMIN, build_rule_reader, build_settings
from tests.bot.rules.forms import make_body

Json = dict[str, Any]
BOTS = 3
DEATH_SHARE = 0.2
SECOND_PRESS_SHARE = 0.4


class BotDiedError(Exception):
    """A bot died between the database and the cache: it acknowledged nothing."""


class RandomDeaths(Failpoints):
    """Failpoints that sometimes end a call, as a kill would."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def hit(self, point: str) -> None:
        """End the call by chance."""
        if point == Failpoint.AFTER_RULES_SAVED and self.chance.random() < DEATH_SHARE:
            raise BotDiedError


def read_version(bot: SettingsHandler) -> int:
    """Return the version of the present rules, however slow the disk is."""
    while True:
        with contextlib.suppress(RecordsUnavailableError):
            return bot.rules.store.load_rules(BOT_IDENTITY.team, GENERAL).version


class People:
    """Managers who fill forms in, press twice, and press again if Slack shows an error."""

    def __init__(self, bots: list[SettingsHandler], chance: random.Random) -> None:
        self.bots = bots
        self.chance = chance
        self.saved: list[tuple[str, int]] = []
        """The view and the value of each form that was closed as saved."""

    def fill_form(self, number: int) -> None:
        """Save the value `number`, however often the form has to be pressed."""
        bot = self.chance.choice(self.bots)
        version = read_version(bot)
        # Some people opened their form before the last change.
        version -= self.chance.random() < 0.3 and version > 0
        view = f"V{number}"
        while not self._press(make_body(
            GENERAL, version, user=ADMIN, view_id=view, top_k=str(number)
        )):  # fmt: skip
            version = read_version(bot)
        self.saved.append((view, number))

    def _press(self, body: Json) -> bool:
        """Press *Save* until there is an answer, perhaps twice; return whether it was saved."""
        answers: list[Json] = []
        while not answers or self.chance.random() < SECOND_PRESS_SHARE:
            with contextlib.suppress(BotDiedError):
                answers.append(self.chance.choice(self.bots).submit_form(body))
        return CLOSE in answers


@pytest.mark.parametrize(
    "forms", [40, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_each_form_is_saved_once(
    redis: Redis, web: WebClient, background: BackgroundTasks, tmp_path: Path, forms: int
) -> None:
    """The log has each press that was answered, in order, and leads to the present rules."""
    chance = random.Random(11)  # noqa: S311 - seeded
    bots = []
    for _ in range(BOTS):
        rules = build_rule_reader(redis, web, tmp_path)
        # No one in the channel: no word of a bot is posted.
        handler = build_settings(rules, web, background, RandomDeaths(chance))
        bots.append(handler)
    bots[0].rules.refresh_cache()
    people = People(bots, chance)
    for number in range(1, forms + 1):
        people.fill_form(number)

    query = select(rule_changes).order_by(rule_changes.c.version)
    log = bots[0].rules.store.records.read(lambda c: c.execute(query).mappings().all())
    newest = log[-200:]
    assert [row["version"] for row in newest] == list(range(forms - len(newest) + 1, forms + 1))
    expected = people.saved[-len(newest) :]
    assert [int(json.loads(row["new_value"])) for row in newest] == [value for _, value in expected]
    assert [row["request"].split(":")[0] for row in newest] == [view for view, _ in expected]
    assert [row["old_value"] for row in newest[1:]] == [row["new_value"] for row in newest[:-1]]
    bots[0].rules.refresh_cache()
    assert bots[1].rules.read_rules(GENERAL, Source.CACHE) == ChannelRules(top_k=forms)
