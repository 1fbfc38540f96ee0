"""Every bad input has the one end that it must have, and nothing goes wrong on its way there."""

import asyncio
import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from testing.loaded_checkpoint import Checkpoint
from testing.tokenizers import starchat_tokenizer_dir
from tests.adversarial import everything
from tests.adversarial.case import MENTION, Case, Door
from tests.adversarial.envelopes import WORD
from tests.adversarial.way import Way

LEAST = {
    "empty": 30,
    "length": 40,
    "unicode": 60,
    "direction": 50,
    "control": 50,
    "fence": 80,
    "slack": 90,
    "token": 120,
    "injection": 60,
    "link": 120,
    "secret": 80,
    "tool": 60,
    "entry": 60,
    "envelope": 120,
    "output": 80,
    "thread": 40,
    "code": 60,
}
"""Categories, and how many cases each has at least."""

CASES = everything()

pytestmark = pytest.mark.repeats


@pytest.fixture(scope="module")
def starchat(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """StarChat's real tokenizer where it is here, else the small one."""
    return Checkpoint.load(starchat_tokenizer_dir(tmp_path_factory.mktemp("starchat")))


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Return what has been logged so far, by us and by all libraries, down to DEBUG."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with capture_logs() as events:
        yield lambda: json.dumps(events, default=str) + written.getvalue()
    root.removeHandler(handler)
    root.setLevel(before)


def test_the_corpus_is_whole_and_always_the_same() -> None:
    """Each category has its cases, each case a name of its own, each run the same ones."""
    counted = Counter(case.category for case in CASES)

    assert {name: min(counted[name], least) for name, least in LEAST.items()} == LEAST
    assert counted.keys() == LEAST.keys()
    assert len(CASES) >= 1_200
    assert len({case.id for case in CASES}) == len(CASES)
    assert everything() == CASES


@pytest.mark.parametrize("category", [name for name in LEAST if name != "entry"])
async def test_every_bad_input_ends_as_it_must(
    starchat: Checkpoint, category: str, logged: Callable[[], str]
) -> None:
    """No exception, no ping, no unfurl, no forged turn, no text in a log, and the right end."""
    way = Way(starchat)
    mine = [case for case in CASES if case.category == category]
    failures = await asyncio.gather(*(failure(way, case) for case in mine))
    heard = logged()

    wrong = "\n".join(filter(None, failures))
    assert not wrong, wrong
    assert [case.id for case in mine if told(case, heard)] == []


async def failure(way: Way, case: Case) -> str:
    """Return what is wrong with the end of a case; nothing where all is well."""
    try:
        seen = await way.take(case)
    except Exception as error:  # noqa: BLE001 - it must be told with the case's name
        return f"{case.id}: {type(error).__name__}: {str(error)[:200]}"
    faults = [str(fault)[:200] for fault in seen.faults[:3]]
    if seen.end is not case.end:
        faults.append(f"ended as {seen.end}, not as {case.end}")
    return f"{case.id}: {faults}" if faults else ""


def told(case: Case, heard: str) -> bool:
    """Say whether a log tells what stands in a case."""
    if case.door in {Door.TEXT, Door.OUTPUT}:
        words = str(case.content).replace(MENTION, "").strip()[:30]
        return len(words) > 8 and json.dumps(words)[1:-1] in heard
    return WORD in heard
