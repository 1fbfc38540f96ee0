"""
Asked before: which like questions are found, and the time of a search among 100,000.

The pairs of `data/asked_before.tsv` are labelled by hand: `like`, or what differs. The rules were
made with these pairs in view, so that their precision is no estimate for new questions.
"""

import functools
import json
import math
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from bot.asked_before.fingerprint import (
    DIGEST_BYTES,
    KEY_BYTES,
    MIN_SIMILARITY,
    Fingerprint,
)
from bot.asked_before.terms import Terms, read_terms
from bot.records.asked_questions import find_like_answers
from bot.records.database import Records
from bot.records.tables import (
    asked_questions,
    signature_keys,
    voted_replies,
    votes,
)
from contract.job import Thread

PAIRS_FILE: Final = Path(__file__).parent / "data" / "asked_before.tsv"
LIKE: Final = "like"
NUM_UNSEEN: Final = 24
"""Last pairs of the file, written after the first rules: most are a question turned round."""
KEY: Final = b"k" * KEY_BYTES
CONFIDENCE_Z: Final = 1.96
"""Standard deviations of an interval of 95 %."""
QUESTIONS_PER_BATCH: Final = 2_000
QUESTIONS_PER_VOTE: Final = 10
"""Every tenth stored question has an answer that ran for a colleague."""
POPULAR_SHARE: Final = 0.02
"""Share of the stored questions that ask what `POPULAR` does."""
WARM_UP_SEARCHES: Final = 50
SIGNATURE_BYTES: Final = 512
POPULAR: Final = "How do I sort a list of names in Python?"

Prepare = Callable[[str], Callable[[], None]]


class Pair(NamedTuple):
    """Two questions; `label` is `LIKE` or what differs."""

    label: str
    one: str
    other: str

    @property
    def has_link(self) -> bool:
        """Whether the answer to one question would be shown for the other."""
        terms = read_terms(self.one), read_terms(self.other)
        if terms[0] is None or terms[1] is None:
            return False
        one, other = (Fingerprint.from_terms(each, KEY) for each in terms if each is not None)
        similarity = one.measure_similarity(other.encode_signature())
        return one.digest == other.digest and similarity >= MIN_SIMILARITY


class Rates(NamedTuple):
    """Counts of pairs: shown and alike, shown in all, alike in all."""

    hits: int
    shown: int
    alike: int


def load_pairs() -> list[Pair]:
    """Return the labelled pairs in the order of their file."""
    lines = PAIRS_FILE.read_text("utf-8").splitlines()
    return [Pair(*line.split("\t")) for line in lines]


def count_rates(pairs: Sequence[Pair]) -> Rates:
    """Count which pairs are alike, and which would be shown."""
    shown = [pair for pair in pairs if pair.has_link]
    hits = sum(pair.label == LIKE for pair in shown)
    return Rates(hits, len(shown), sum(pair.label == LIKE for pair in pairs))


def estimate_interval(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's interval of 95 % for a share."""
    share, z = hits / total, CONFIDENCE_Z
    center = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (center - spread) / scale, min(1.0, (center + spread) / scale)


def main(questions: int, searches: int) -> str:
    """Measure, and return the tables."""
    pairs = load_pairs()
    rows = [
        f"Shown from a similarity of {MIN_SIMILARITY}.",
        "",
        "| pairs | alike | shown | precision | recall |",
        "|---|---|---|---|---|",
        _format_rates("in view", pairs[:-NUM_UNSEEN]),
        _format_rates("unseen at first", pairs[-NUM_UNSEEN:]),
        _format_rates("all", pairs),
    ]
    wrong = Counter(pair.label for pair in pairs if pair.label != LIKE and pair.has_link)
    rows += ["", f"Shown, but not alike: {dict(wrong) or 'none'}.", ""]
    return "\n".join([*rows, *measure_searches(questions, searches)])


def measure_searches(num_questions: int, num_searches: int) -> list[str]:
    """Return a table of times with so many questions in an SQLite file."""
    with tempfile.TemporaryDirectory() as directory:
        records = Records(f"sqlite:///{directory}/records.db")
        records.open_database()
        texts = _draw_questions(random.Random(0))  # noqa: S311 - no secret
        known, new = ([next(texts) for _ in range(num_searches)] for _ in range(2))
        num_popular = round(num_questions * POPULAR_SHARE)
        stored = [*known, *[POPULAR] * num_popular]
        _store_questions(records, stored, num_questions - len(stored))
        popular = [POPULAR] * num_searches
        rows = [
            f"| {num_questions:,} stored questions | median | p99 | CPU time, median | p99 |",
            "|---|---|---|---|---|",
            _format_times("search, nothing found", partial(_search, records), new),
            _format_times("all that a miss adds to a job", partial(_read_and_search, records), new),
            _format_times("search, found", partial(_search, records), known),
            _format_times(
                f"search, asked {num_popular:,} times before", partial(_search, records), popular
            ),
        ]
        records.close_database()
    return rows


def _format_rates(name: str, pairs: Sequence[Pair]) -> str:
    rates = count_rates(pairs)
    precision = _format_share(rates.hits, rates.shown)
    recall = _format_share(rates.hits, rates.alike)
    return f"| {name}: {len(pairs)} | {rates.alike} | {rates.shown} | {precision} | {recall} |"


def _format_share(hits: int, total: int) -> str:
    low, high = estimate_interval(hits, total)
    return f"{hits / total:.1%} ({low:.1%} to {high:.1%})"


def _format_times(name: str, prepare: Prepare, texts: Sequence[str]) -> str:
    """Return a row with the times of the calls that `prepare` returns for each text."""
    wall, cpu = [], []
    for text in [*texts[:WARM_UP_SEARCHES], *texts]:
        search = prepare(text)
        started, cpu_started = time.perf_counter(), time.process_time()
        search()
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - cpu_started) * 1000)
    cells = []
    for times in (wall, cpu):
        percentiles = statistics.quantiles(times[-len(texts) :], n=100)
        cells += [f"{percentiles[49]:.2f} ms", f"{percentiles[98]:.2f} ms"]
    return f"| {name} | {' | '.join(cells)} |"


def _read_and_search(records: Records, text: str) -> Callable[[], None]:
    return lambda: _find(records, read_terms(text))


def _search(records: Records, text: str) -> Callable[[], None]:
    return partial(_find, records, read_terms(text))


def _find(records: Records, terms: Terms | None) -> None:
    if terms is not None:
        thread = Thread(team="T1", channel="C2", ts="1.0")
        records.read(partial(find_like_answers, thread=thread, ts="1.0", terms=terms))


def _draw_questions(rng: random.Random) -> Iterator[str]:
    """Yield questions of the words of the pairs."""
    words = sorted({word for pair in load_pairs() for word in f"{pair.one} {pair.other}".split()})
    while True:
        text = " ".join(rng.sample(words, rng.randint(5, 14)))
        if read_terms(text) is not None:
            yield text


def _store_questions(records: Records, texts: Sequence[str], num_others: int) -> None:
    """Store questions, and before them others, whose hashes are drawn by chance."""

    def store_key(connection: Connection) -> None:
        connection.execute(signature_keys.insert().values(team="T1", secret=KEY))

    records.write(store_key)
    rng = random.Random(1)  # noqa: S311 - no secret
    hashes = [
        (rng.randbytes(SIGNATURE_BYTES), rng.randbytes(DIGEST_BYTES)) for _ in range(num_others)
    ]
    hashes += map(_hash_question, texts)
    for start in range(0, len(hashes), QUESTIONS_PER_BATCH):
        batch = hashes[start : start + QUESTIONS_PER_BATCH]
        records.write(partial(_store_batch, start=start, hashes=batch), max_seconds=600)


@functools.cache
def _hash_question(text: str) -> tuple[bytes, bytes]:
    terms = read_terms(text)
    if terms is None:
        raise ValueError("a question without terms")
    found = Fingerprint.from_terms(terms, KEY)
    return found.encode_signature(), found.digest


def _store_batch(connection: Connection, start: int, hashes: Sequence[tuple[bytes, bytes]]) -> None:
    rows: dict[Any, list[dict[str, Any]]] = {
        table: [] for table in (asked_questions, voted_replies, votes)
    }
    for number, (signature, digest) in enumerate(hashes, start):
        ts = f"{number + 1}.0"
        owner = {"team": "T1", "channel": "C1", "thread_ts": ts}
        question = {"message_ts": ts, "user_id": "U1", "signature": signature, "digest": digest}
        rows[asked_questions].append(owner | question)
        if number % QUESTIONS_PER_VOTE == 0:
            reply = owner | {"message_ts": f"{ts}1", "version": "0a"}
            rows[voted_replies].append(reply | {"facts": json.dumps({"question_ts": ts})})
            mark = {"user_id": "U2", "ran": True, "voted_at": ts, "presses": "[]"}
            rows[votes].append(reply | mark)
    for table, values in rows.items():
        connection.execute(table.insert(), values)
