"""Votes: random presses, double clicks and reactions beside the deaths of bots."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from redis import Redis
from sqlalchemy import Connection, select

from bot.failpoints import Failpoint
from bot.messages.votes.presses import Mark, PressKind, Vote, count_vote, decode_presses
from bot.records.database import Records
from bot.records.tables import votes
from bot.store.vote_outbox import LINE_LEASE_SECONDS
from chaos.checker.expectations import Bounds
from chaos.load import Question
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from contract.reply_controls import RAN_ACTION_ID, VOTE_ACTION_ID
from testing.memorizing_model import REVERSE
from testing.polling import poll_until
from testing.workspace import RefusedError

PRESSES: Final = 1_000
REACTION_SHARE: Final = 0.1
CODE_REPLIES: Final = 8
KILL_POINTS: Final = (
    Failpoint.AFTER_VOTE_RECORD,
    Failpoint.AFTER_VOTE_STORED,
    Failpoint.AFTER_RAN_LINE,
)
END_SECONDS: Final = LINE_LEASE_SECONDS + 60.0
"""Time until all votes are stored and shown: a dead bot's edit has a lease."""
Voter = tuple[str, str]
"""User and reply."""


@dataclass(slots=True)
class VoteLoad:
    """Presses of users on replies, with what the workspace says of each."""

    run: ScenarioRun
    replies: dict[str, Question]
    """Question of each reply, by the timestamp of its first message."""
    acknowledged: defaultdict[Voter, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Times of the presses that a bot acknowledged."""
    num_refused: int = 0
    """Presses without an acknowledgement: each may be stored or not."""
    buttons: dict[str, dict[Mark, dict[str, str]]] = field(default_factory=dict)
    """Action and value of each button below a reply."""
    reactions: dict[str, bool] = field(default_factory=dict)
    """Replies to which the reacting user has the reaction 👍 now, or not."""

    @property
    def reactor(self) -> str:
        """User who reacts and presses no button."""
        return self.run.cluster.users[-1]

    def press_some(self, count: int) -> None:
        """Press random buttons, many of them twice, and change reactions."""
        rng = self.run.rng
        for _ in range(count):
            reply = rng.choice(list(self.replies))
            user, mark = rng.choice(self.run.cluster.users[:-1]), rng.choice(list(Mark))
            for _ in range(rng.choice((1, 2, 2))):
                self._press_button(user, reply, mark)
            if rng.random() < REACTION_SHARE:
                self._toggle_reaction(reply)

    def _press_button(self, user: str, reply: str, mark: Mark) -> None:
        channel, workspace = self.replies[reply].channel, self.run.cluster.workspace
        if reply not in self.buttons:
            self.buttons[reply] = _read_buttons(self.run, self.replies[reply], reply)
        button = self.buttons[reply][mark]
        click = {"user": user, "channel": channel, "ts": reply, **button}
        try:
            answer = workspace.post_json("_page/click", click)
        except RefusedError:
            self.num_refused += 1
        else:
            self.acknowledged[user, reply].add(str(answer["action_ts"]))

    def _toggle_reaction(self, reply: str) -> None:
        is_set, channel = self.reactions.get(reply, False), self.replies[reply].channel
        workspace = self.run.cluster.workspace
        workspace.set_reaction(self.reactor, channel, reply, "+1", remove=is_set)
        self.reactions[reply] = not is_set


def vote_while_bots_die(run: ScenarioRun) -> None:
    """Press 1,000 times while events are delivered twice, and kill bots at each step of a vote."""
    questions = [run.ask_one(REVERSE) for _ in range(CODE_REPLIES)]
    run.wait_for_replies()
    load = VoteLoad(run, {run.watcher.list_messages(q)[0]: q for q in questions})
    run.cluster.workspace.set_faults(deliveries={"duplicate": 0.5, "copies": 3})
    share = run.scale_count(PRESSES, 60) // (len(KILL_POINTS) + 1)
    for point in KILL_POINTS:
        for bot in list(run.cluster.bots):
            run.cluster.kill_process(bot)
        victim = run.cluster.start_bot(f"{point}:kill:{run.rng.randint(1, 3)}")
        victim.wait_for_event("ready")
        doomed = DoomedProcess(run, victim)
        load.press_some(share // 4)
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        run.cluster.restore_processes()
        load.press_some(share - share // 4)
    load.press_some(share)
    run.cluster.workspace.set_faults()
    _check_votes(run, load)


def _check_votes(run: ScenarioRun, load: VoteLoad) -> None:
    """Fail the run unless each acknowledged press is stored, once, and shown."""
    with run.cluster.connect_redis() as redis:
        for key in (keys.vote_outbox(run.team), keys.ran_line_schedule(run.team)):
            try:
                poll_until(partial(_is_missing, redis, key), timeout=END_SECONDS)
            except AssertionError:
                run.failures.append(f"{key} is not empty")
    records = Records(run.cluster.workspace.database_url)
    rows = records.read(partial(_list_rows, replies=frozenset(load.replies)))
    records.close_database()
    times = {voter: {press.ts for press in presses} for voter, (presses, _) in rows.items()}
    lost = sum(len(found - times.get(voter, set())) for voter, found in load.acknowledged.items())
    extra = sum(
        len(found - load.acknowledged[voter])
        for voter, found in times.items()
        if voter[0] != load.reactor
    )
    wrong = [voter for voter, (presses, vote) in rows.items() if count_vote(presses) != vote]
    wrong += [
        (load.reactor, reply)
        for reply, is_set in load.reactions.items()
        if (rows[load.reactor, reply][1].opinion is Mark.UP) is not is_set
    ]
    num_presses = sum(map(len, load.acknowledged.values()))
    run.notes.append(f"{num_presses} presses acknowledged, {lost} lost, {len(wrong)} votes wrong")
    if lost or wrong or extra > load.num_refused:
        run.failures.append(f"{lost} presses lost, {extra} extra, {len(wrong)} votes wrong")
    for reply, question in load.replies.items():
        people = sum(vote.ran for (_, where), (_, vote) in rows.items() if where == reply)
        if _read_number(run, question, reply) != people:
            run.failures.append("a line does not say for how many people the code ran")


def _list_rows(
    connection: Connection, replies: frozenset[str]
) -> dict[Voter, tuple[tuple[Any, ...], Vote]]:
    """Return the presses and the vote of each row; the primary key allows one for a voter."""
    found = {}
    for row in connection.execute(select(votes).where(votes.c.message_ts.in_(replies))):
        opinion = None if row.opinion is None else Mark(row.opinion)
        # A press of a button opens no form here, so no vote has a reason.
        presses = [p for p in decode_presses(row.presses) if p.kind is not PressKind.REASON]
        found[row.user_id, row.message_ts] = (tuple(presses), Vote(opinion, None, row.ran))
    return found


def _read_number(run: ScenarioRun, question: Question, reply: str) -> int:
    """Return for how many people the line below a reply says that its code ran."""
    shown = run.cluster.workspace.bot_replies(question.channel, question.thread, question.user)
    [message] = [found for found in shown if found["ts"] == reply]
    lines = [block for block in message["blocks"] if "ran for" in json.dumps(block)]
    if not lines:
        return 0
    text = str(lines[0]["elements"][0]["text"])
    return int(text.rpartition("(")[2].rstrip(")")) if text.endswith(")") else 1


def _read_buttons(run: ScenarioRun, question: Question, reply: str) -> dict[Mark, dict[str, str]]:
    """Return action and value of each button of a vote below a reply."""
    shown = run.cluster.workspace.bot_replies(question.channel, question.thread, question.user)
    [blocks] = [message["blocks"] for message in shown if message["ts"] == reply]
    elements = {
        element.get("action_id"): element
        for block in blocks
        for element in block.get("elements", ())
    }
    feedback = elements[VOTE_ACTION_ID]
    values = {
        Mark.UP: feedback["positive_button"]["value"],
        Mark.DOWN: feedback["negative_button"]["value"],
        Mark.RAN: elements[RAN_ACTION_ID]["value"],
    }
    names = dict.fromkeys(Mark, VOTE_ACTION_ID) | {Mark.RAN: RAN_ACTION_ID}
    return {mark: {"action_id": names[mark], "value": value} for mark, value in values.items()}


def _is_missing(redis: Redis, key: str) -> bool:
    return not redis.exists(key)


VOTES: Final = Scenario(
    "votes-counted-once",
    "VT1",
    "double clicks and reactions, delivered twice, while bots die at each step of a vote",
    vote_while_bots_die,
    # The line of the people is an edit of a final message.
    Bounds(max_end_seconds=90.0, max_late_edits=10_000),
)
