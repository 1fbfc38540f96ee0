"""Reply rules in a job: bounded, and unknown to older workers only where a channel has some."""

import pytest
from pydantic import ValidationError

from contract.job import BadJobError, Job
from contract.reply_rules import MAX_CANDIDATES, MAX_PROMPT_CHARACTERS, NO_RULES, ReplyRules
from tests.contract.test_job import job_fields


def test_rules_travel_in_the_job() -> None:
    """The worker reads the rules that the bot wrote."""
    rules = ReplyRules(prompt="Use Go.\n\tOnly.", max_new_tokens=64, temperature=0.5)
    job = Job.model_validate(job_fields()).model_copy(update={"rules": rules})

    assert Job.from_json(job.to_json()).rules == rules
    assert "candidates" not in job.to_json()


def test_job_without_rules_has_no_field() -> None:
    """A worker of the version before can read it, and its own jobs have no rules."""
    job = Job.model_validate(job_fields())

    assert job.rules == NO_RULES
    assert '"rules"' not in job.to_json()


@pytest.mark.parametrize(
    "rules",
    [
        {"prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)},
        {"prompt": "a\0b"},
        {"prompt": "\x1b[31m"},
        {"prompt": "\ud800"},
        {"max_new_tokens": 15},
        {"max_new_tokens": 8_192},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"candidates": 0},
        {"candidates": MAX_CANDIDATES + 1},
        {"top_k": 1_001},
        {"top_p": 0},
        {"top_p": 1.1},
        {"unknown": 1},
    ],
)
def test_rules_beyond_their_bounds_are_refused(rules: dict[str, object]) -> None:
    """Neither a person nor Redis can put other values into a job."""
    with pytest.raises(ValidationError):
        ReplyRules.model_validate(rules)
    with pytest.raises(ValidationError):
        Job.model_validate(job_fields(rules=rules))


def test_refused_prompt_is_not_quoted() -> None:
    """The error of a malformed job names the field only."""
    job = Job.model_validate(job_fields(rules={"prompt": "be kind"})).to_json()

    with pytest.raises(BadJobError, match=r"^not a job: rules\.prompt$"):
        Job.from_json(job.replace("be kind", "be \\u0000 kind"))
