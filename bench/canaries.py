"""Lifetime of text: looks through Redis and its files after each way in which text ends."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.exceptions import ResponseError

from contract import keys
from testing.checkpoints import memorizing_checkpoint
from testing.leak_scanner import find_entries, find_words_in_file, read_all_entries
from testing.played_clock import PlayedClock
from testing.polling import poll_until
from testing.product import Product
from testing.redis_server import GuardedRedis, find_embedded_server
from testing.workspace import ADA, GENERAL, PYTHON

SECONDS_AHEAD: Final = keys.TEXT_TTL_SECONDS + 60
"""Seconds by which the clocks of Slack and Redis move."""
WAIT_SECONDS: Final = 120.0
REPLY_CHARACTERS: Final = 24
"""Beginning of a reply that is searched."""


@dataclass(frozen=True, slots=True)
class CanaryFigures:
    """Numbers of keys, and of words in Redis' files, after the text of a thread has ended."""

    end: str
    words: int
    keys_before: int
    keys_after: int
    in_log: int
    """Words in the append-only file before it is rewritten."""
    in_rewritten_log: int
    in_snapshot: int


@dataclass(frozen=True, slots=True)
class Canaries:
    """Words of one thread; `name` is its author's, which Redis keeps for a day."""

    channel: str
    root: str
    texts: tuple[str, ...]
    name: str


def main() -> str:
    """Measure, and return the table."""
    return format_canaries(measure_canaries())


def measure_canaries() -> list[CanaryFigures]:
    """Let people write in one thread after the other, and end its text in each way."""
    with tempfile.TemporaryDirectory() as directory:
        clock = PlayedClock(Path(directory))
        # Debian's Redis does not start with libfaketime: its allocator reads the clock too early.
        redis = GuardedRedis(find_embedded_server(), environment=clock.environment)
        with Product(str(memorizing_checkpoint()), redis=redis) as product:
            return CanaryTrial(product, clock).run_all()


def format_canaries(figures: Sequence[CanaryFigures]) -> str:
    """Return the figures as a Markdown table."""
    names = ("After", "Words", "Keys with one before", "Keys after", "In the append-only file")
    heads = (*names, "After its rewrite", "In the snapshot")
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    rows += [
        f"| {one.end} | {one.words} | {one.keys_before} | {one.keys_after} | {one.in_log}"
        f" | {one.in_rewritten_log} | {one.in_snapshot} |"
        for one in figures
    ]
    return "\n".join(rows)


class CanaryTrial:
    """Writes canaries, ends them, and searches for them."""

    def __init__(self, product: Product, clock: PlayedClock) -> None:
        self._product = product
        self._clock = clock
        self._workspace = product.workspace
        self._redis = product.redis.connect_as()
        # Redis' own compression would hide words from the search.
        self._redis.config_set("rdbcompression", "no")

    def run_all(self) -> list[CanaryFigures]:
        """Run a trial for each way in which text ends."""
        ends: list[tuple[str, str, bool, Callable[[Canaries], object]]] = [
            ("the deletion of all messages", GENERAL, False, self._delete_messages),
            ("`@StarChat forget`", GENERAL, False, self._forget_thread),
            ("`/starchat forget`", PYTHON, False, self._forget_channel),
            ("24 hours", GENERAL, True, self._pass_a_day),
            ("an uninstall", PYTHON, True, self._uninstall),
        ]
        return [self._run_trial(number, *end) for number, end in enumerate(ends, start=1)]

    def _run_trial(
        self,
        number: int,
        end: str,
        channel: str,
        ends_names: bool,  # noqa: FBT001
        end_text: Callable[[Canaries], object],
    ) -> CanaryFigures:
        canaries = self._write_canaries(number, channel)
        words = (*canaries.texts, canaries.name) if ends_names else canaries.texts
        keys_before = self._count_keys(words)
        end_text(canaries)
        poll_until(
            lambda: not self._count_keys(words), timeout=WAIT_SECONDS, description="no key with one"
        )
        in_log = self._count_words(words, ".aof")
        self._rewrite_files()
        return CanaryFigures(
            end=end,
            words=len(words),
            keys_before=keys_before,
            keys_after=self._count_keys(words),
            in_log=in_log,
            in_rewritten_log=self._count_words(words, ".aof", ".base.rdb"),
            in_snapshot=self._count_words(words, "dump.rdb"),
        )

    def _write_canaries(self, number: int, channel: str) -> Canaries:
        """Write a thread with a person, a file, an edit, and two questions with their replies."""
        kinds = ("talk", "before", "after", "title", "content", "question", "follow-up", "name")
        words = {kind: f"{kind}-canary-{number}" for kind in kinds}
        workspace, user = self._workspace, f"U0CANARY0{number}"
        workspace.send_control("person", id=user, name=words["name"])
        workspace.send_control("invite", channel=channel, user=user)
        root = workspace.post_message(user, channel, words["talk"])
        edited = workspace.post_message(ADA, channel, words["before"], root)
        title, content = f"{words['title']}.txt", words["content"]
        workspace.send_control(
            "file", channel=channel, user=ADA, name=title, content=content, thread_ts=root
        )
        replies = self._ask_question(user, channel, words["question"], root)
        workspace.edit_message(ADA, channel, edited, words["after"])
        replies += self._ask_question(user, channel, words["follow-up"], root)
        name = words.pop("name")
        return Canaries(channel, root, (*words.values(), *sorted(set(replies))), name)

    def _ask_question(self, user: str, channel: str, text: str, root: str) -> list[str]:
        """Ask a question; return the beginning of its reply."""
        ts = self._workspace.post_message(user, channel, f"@StarChat {text}", root)
        answer = self._product.wait_for_answer(channel, root, ts)
        return [str(message["text"])[:REPLY_CHARACTERS] for message in answer]

    def _delete_messages(self, canaries: Canaries) -> None:
        for message in reversed(self._workspace.read_messages(canaries.channel, canaries.root)):
            self._workspace.send_control("delete", channel=canaries.channel, ts=message["ts"])

    def _forget_thread(self, canaries: Canaries) -> None:
        self._workspace.post_message(ADA, canaries.channel, "@StarChat forget", canaries.root)

    def _forget_channel(self, canaries: Canaries) -> None:
        self._workspace.post_message(ADA, canaries.channel, "/starchat forget")

    def _pass_a_day(self, _: Canaries) -> None:
        self._workspace.set_clock(ahead=SECONDS_AHEAD)
        self._clock.set_ahead(SECONDS_AHEAD)

    def _uninstall(self, _: Canaries) -> None:
        self._workspace.send_control("app", with_events=["app_uninstalled"])
        self._workspace.send_control("event", event={"type": "app_uninstalled"})
        self._workspace.send_control("app", revoked=True)

    def _count_keys(self, words: Iterable[str]) -> int:
        """Count the keys whose name or value holds one of these words."""
        words = tuple(words)
        entries = read_all_entries(self._redis)
        named = {entry.key for entry in entries if any(word in entry.key for word in words)}
        return len(named | {entry.key for entry in find_entries(entries, *words)})

    def _count_words(self, words: Iterable[str], *endings: str) -> int:
        files = [file for file in self._product.redis.data_files() if file.name.endswith(endings)]
        return len({word for file in files for word in find_words_in_file(file, words)})

    def _rewrite_files(self) -> None:
        """Rewrite the append-only file, then write a snapshot."""
        poll_until(self._begin_rewrite, description="the begin of the rewrite")
        self._wait_for_writes()
        self._redis.bgsave()
        self._wait_for_writes()

    def _begin_rewrite(self) -> bool:
        """Begin to rewrite the append-only file; return whether no other rewrite ran."""
        with contextlib.suppress(ResponseError):
            return bool(self._redis.bgrewriteaof())
        return False

    def _wait_for_writes(self) -> None:
        def is_written() -> bool:
            state = self._redis.info("persistence")
            names = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
            return not any(state[name] for name in names)

        poll_until(is_written, timeout=WAIT_SECONDS, description="the files of Redis")
