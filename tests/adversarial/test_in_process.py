"""Adversarial inputs through the in-process product: each has its expected outcome."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import pytest

from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import write_starchat_tokenizer
from tests.adversarial import build_all_cases
from tests.adversarial.case import MENTION, Case, EntryPoint
from tests.adversarial.envelopes import CANARY_WORD
from tests.adversarial.in_process_product import InProcessProduct

MIN_CASES = {
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
"""Minimum number of cases in each category."""

CASES = build_all_cases()

pytestmark = pytest.mark.repeats


@pytest.fixture(scope="module")
def starchat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """StarChat's real tokenizer if it is available, else the small one."""
    return LoadedCheckpoint.load_directory(
        write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))
    )


def test_corpus_is_complete_and_deterministic() -> None:
    """Each category has its minimum of cases, ids are unique, and every run has the same cases."""
    counted = Counter(case.category for case in CASES)

    assert {name: min(counted[name], minimum) for name, minimum in MIN_CASES.items()} == MIN_CASES
    assert counted.keys() == MIN_CASES.keys()
    assert len(CASES) >= 1_200
    assert len({case.id for case in CASES}) == len(CASES)
    assert build_all_cases() == CASES


@pytest.mark.parametrize("category", [name for name in MIN_CASES if name != "entry"])
async def test_adversarial_input_has_expected_outcome(
    starchat_checkpoint: LoadedCheckpoint, category: str, read_logs: Callable[[], str]
) -> None:
    """No exception, ping, unfurl, forged turn or logged text, and the expected outcome."""
    product = InProcessProduct(starchat_checkpoint)
    selected = [case for case in CASES if case.category == category]
    failures = await asyncio.gather(*(describe_failure(product, case) for case in selected))
    logs = read_logs()

    report = "\n".join(filter(None, failures))
    assert not report, report
    assert [case.id for case in selected if is_logged(case, logs)] == []


async def describe_failure(product: InProcessProduct, case: Case) -> str:
    """Return the deviation of a case from its expected outcome, or an empty string."""
    try:
        result = await product.run_case(case)
    except Exception as error:  # noqa: BLE001 - reported with the case's id
        return f"{case.id}: {type(error).__name__}: {str(error)[:200]}"
    violations = [str(violation)[:200] for violation in result.violations[:3]]
    if result.outcome is not case.outcome:
        violations.append(f"ended as {result.outcome}, not as {case.outcome}")
    return f"{case.id}: {violations}" if violations else ""


def is_logged(case: Case, logs: str) -> bool:
    """Whether a log contains a case's text."""
    if case.entry_point in {EntryPoint.TEXT, EntryPoint.OUTPUT}:
        words = str(case.content).replace(MENTION, "").strip()[:30]
        return len(words) > 8 and json.dumps(words)[1:-1] in logs
    return CANARY_WORD in logs
