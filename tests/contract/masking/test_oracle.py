"""Another scanner as the oracle: `detect-secrets` finds no known form of secret in masked texts."""

import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

from contract.masking import mask_secrets
from testing.secret_samples import SampleMaker, read_snippets

pytestmark = pytest.mark.slow
PLUGINS: Final = (
    *("ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector"),
    *("DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector"),
    *("JwtTokenDetector", "KeywordDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector"),
    *("StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
"""Plugins for forms and names; those that measure entropy alone flag ordinary words of a line."""
NUM_SNIPPETS: Final = 4_000
MAX_DISAGREEMENT: Final = 0.01


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    """Use these plugins, without a filter that looks into files."""
    with transient_settings({"plugins_used": [{"name": name} for name in PLUGINS]}):
        yield


def find_by_oracle(text: str) -> set[str]:
    """Return the values that the oracle finds in a text, without our masks."""
    found = [one.secret_value or "" for line in text.splitlines() for one in scan_line(line)]
    return {value for value in found if value and not value.startswith("<secret:")}


def test_oracle_finds_nothing_in_masked_samples() -> None:
    """All that it finds in the labeled texts is masked."""
    samples = [text for seed in range(3) for _, _, text in SampleMaker(seed).generate_samples()]
    known = [text for text in samples if find_by_oracle(text)]
    left = [text for text in known if find_by_oracle(mask_secrets(text))]

    assert len(known) > len(samples) / 3
    assert len(left) <= MAX_DISAGREEMENT * len(known)


def test_oracle_agrees_on_real_code() -> None:
    """Pieces of code that only one of both flags are rare."""
    library = Path(sysconfig.get_path("stdlib"))
    folders = ("test", "http", "urllib", "email", "asyncio", "xmlrpc", "logging")
    snippets = [
        text for name in folders for text in islice(read_snippets(library / name), NUM_SNIPPETS)
    ]
    ours = {text for text in snippets if mask_secrets(text) != text}
    theirs = {text for text in snippets if find_by_oracle(text)}

    assert len(snippets) > 2_000
    assert len(ours - theirs) <= MAX_DISAGREEMENT * len(snippets)
    assert len(theirs - ours) <= MAX_DISAGREEMENT * len(snippets)
