"""Secret masker: finds the secrets of a labeled set, and leaves real code alone."""

import ast
import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from contract.masking import SecretKind, SecretMasker, mask_secrets
from contract.masking.formats import LITERALS
from testing.secret_samples import (
    SampleMaker,
    SecretSample,
    generate_hostile_texts,
    read_snippets,
)

MIN_RECALL: Final = 0.95
MAX_FALSE_RATE: Final = 0.01
SAMPLES: Final = SampleMaker().generate_samples()
AWS_KEY: Final = SampleMaker().draw_secret("AK~IA[U16]")
TOKEN: Final = SampleMaker(1).draw_secret("[A32]")


def test_labeled_secrets_are_masked() -> None:
    """At least 95 % of each kind's secrets leave the text, under the name of their kind."""
    total, found = Counter[SecretKind](), Counter[SecretKind]()
    for sample in SAMPLES:
        total[sample.kind] += 1
        found[sample.kind] += _is_masked(sample)

    assert len(SAMPLES) >= 200
    assert set(total) == set(SecretKind)
    assert [kind for kind in total if found[kind] < MIN_RECALL * total[kind]] == []


def _is_masked(sample: SecretSample) -> bool:
    masker = SecretMasker()
    text = masker.mask_text(sample.text)
    return sample.secret not in text and masker.kinds == (sample.kind,)


def test_real_code_stays() -> None:
    """At most 1 % of the pieces of the standard library's code are changed."""
    snippets = list(islice(read_snippets(Path(json.__file__).parents[1] / "asyncio"), 500))
    changed = [snippet for snippet in snippets if mask_secrets(snippet) != snippet]

    assert len(snippets) == 500
    assert len(changed) <= MAX_FALSE_RATE * len(snippets)


def test_masked_text_is_masked_once() -> None:
    """To mask a masked text changes nothing, in plain and in escaped text."""
    for sample in SAMPLES:
        masked = mask_secrets(sample.text)
        assert mask_secrets(masked) == masked
        escaped = SecretMasker().mask_text(sample.text, escape=True)
        assert SecretMasker().mask_text(escaped, escape=True) == escaped


@pytest.mark.parametrize(
    "text",
    [
        "password = 'changeme'",
        "password = '${DB_PASSWORD}'",
        "password: <your password here 1>",
        "api_key = os.environ['API_KEY_2']",
        "token = get_token(user1)",
        "token = 'xxxxxxxxxxxxxxxx1x2x'",
        "API_TOKEN=your-token-a1b2c3d4",
        "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_1",
        "postgres://user:password@localhost/db",
        "postgres://user:${PASSWORD1}@localhost/db",
        "redis://a:6379@b",
        "Authorization: Bearer <token>",
        "Authorization: Bearer $ACCESS_2",
        "Authorization: Basic {credentials}",
        "Authorization: Basic xxxxxxxxxxxxxxxx",
        "session_key = 'utf-8-with-signature-2'",
        "secret_key = settings.module2.value_name3",
        "the token is 42",
        "password_encryption = scram-sha-256",
        "'password' => 'required|min:8'",
        'password_hint = "密码至少8位，含字母a"',
        '"last_key": "2026-09-17T13:45:28Z"',
        "cache_key: sha256:9f86d081884c7d659a2feaa0c55ad015",
        "CAM_PASS_ERR_RECOVER = 0x0001000A,",
        "pwd: 'C:/Users/bob1/src'",
        "-----BEGIN PRIVATE " + "KEY-----\n...\n-----END PRIVATE KEY-----",
        "sk-learn and ghp_short, task-1234567890",
        "pass",
        "password = '$DB_PASS_2'",
        "password = '$(pwgen -1)x1'",
        "password = '/etc/app/pw1.txt'",
        "password = '~/.pw/db2'",
        "password = '@db/pw1'",
        "password_file = '../../etc/pw1'",
        "password_pattern = '^[a-zA-Z0-9]+$'",
        "password_date = '%Y-%m-%d'",
        "tokens per second: 12345.67, access key for 8f7a9d3kfj29fk3Zq0Lm",
        'tokenizer = "meta-llama/Meta-Llama-3.1-8B-Instruct"',
        'tokenizer = "aB3xQ9zL2mK8vT5"',
        's3_key="images/2024/01/15/photo_a8f3.jpg"',
        'cache_key = "user:1234:profile:5678"',
        "redis_key=a8f3k2m9x7q1z5b4",
        'secret_arn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-a1B2c3"',
        'secret_id: "3f2a9c1e-7b4d-4e8a-9c6f-1d2b3a4e5f60"',
        'idempotency_key: "3f2a9c1e-7b4d-4e8a-9c6f-1d2b3a4e5f60"',
        'foreign_key = "orders_2023_q4.customer_id_1"',
        'public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8a"',
        'ssh_key: "AAAAC3NzaC1lZDI1NTE5AAAAIK8x2v"',
        'first_pass: "conv3x3_bn2_relu1"',
        'compass: "n1-s2-e3-w4"',
        'db_passes = "n1-s2-e3-w4"',
        "secretName: tls-cert-prod-2024a1",
        "curl -u user:password https://a.example",
        "curl -u $NAME:${PASS_2} https://a.example",
        "curl --user bob:$(pass show a/b2) https://a.example",
        "docker run -u 1000:100000 curlimages/curl",
        "curl -u bob https://a.example:8443/b?c=d1",
    ],
)
def test_dummy_value_stays(text: str) -> None:
    """Words, variables, expressions and dummies are no secrets."""
    assert mask_secrets(text) == text


def test_example_key_of_documentation_stays() -> None:
    """The secret of Amazon's own documentation says that it is an example."""
    text = f"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY{'EXAMPLEKEY'}"

    assert mask_secrets(text) == text


def test_syntax_stays_valid() -> None:
    """JSON, Python and addresses around a secret can be parsed as before."""
    assert json.loads(mask_secrets(json.dumps({"token": TOKEN}))) == {"token": "<secret:token:1>"}
    ast.parse(mask_secrets(f"client = Client(api_key='{TOKEN}')\n"))
    url = urlsplit(mask_secrets(f"https://bob:{TOKEN}@git.internal:8443/a?b=c"))
    assert (url.username, url.hostname, url.port) == ("bob", "git.internal", 8443)


def test_private_key_keeps_its_lines_of_dashes() -> None:
    """The body of a key is one mask, also if its end is missing."""
    samples = [sample.text for sample in SAMPLES if sample.kind is SecretKind.PRIVATE_KEY]

    assert mask_secrets(samples[0]) == (
        "my key:\n```\n-----BEGIN RSA PRIVATE " + "KEY-----\n<secret:private-key:1>\n"
        "-----END RSA PRIVATE KEY-----\n```\nwhy?"
    )
    cut = samples[0][: samples[0].index("-----END")]
    assert mask_secrets(cut).strip().endswith("<secret:private-key:1>")


def test_same_secret_has_one_number() -> None:
    """In all texts of a message; another secret of the kind has the next number."""
    masker = SecretMasker()
    other = SampleMaker(5).draw_secret("AK~IA[U16]")

    assert masker.mask_text(f"{AWS_KEY} and {other}, or {AWS_KEY}") == (
        "<secret:aws-key:1> and <secret:aws-key:2>, or <secret:aws-key:1>"
    )
    assert masker.mask_text(f"{other} {AWS_KEY}") == "<secret:aws-key:2> <secret:aws-key:1>"
    assert (masker.count, masker.kinds) == (2, (SecretKind.AWS_KEY,))


def test_numbers_of_a_masked_text_are_not_used_again() -> None:
    """A mask that a person pasted keeps its meaning beside a new secret."""
    text = f"was <secret:aws-key:3>, now {AWS_KEY}"

    assert mask_secrets(text) == "was <secret:aws-key:3>, now <secret:aws-key:4>"


def test_secret_is_masked_wherever_it_is_repeated() -> None:
    """A value that only one place names as a secret leaves all of the text."""
    assert mask_secrets(f"token={TOKEN}\nprint('{TOKEN}')") == (
        "token=<secret:token:1>\nprint('<secret:token:1>')"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("API key: {}", "8f7a9d3kfj29fk3Zq0Lm"),
        ("access key = {}", "8f7a9d3kfj29fk3Zq0Lm"),
        ("Secret key: {}", "8f7a9d3kfj29fk3Zq0Lm"),
        ("**Password:** {}", "Tr0ub4dor3zz"),
        ("*Password:* {}", "Tr0ub4dor3zz"),
        ("*Password*: {}", "Tr0ub4dor3zz"),
        ("password: *{}*", "Tr0ub4dor3zz"),
        ("<password>{}</password>", "Tr0ub4dor&amp;3zz"),
        ("&lt;password&gt;{}&lt;/password&gt;", "Tr0ub4dor3zz"),
        ("DB_PASSWORD={}", "Tr0ub4dor&amp;3zzQQ11"),
        ("DB_PASSWORD={}", "Tr0ub4dor&3zzQQ11"),
        ("https://a.example/?password={}&user=bob", "Tr0ub4dor3zz"),
        ("password={}&amp;user=bob", "Tr0ub4dor3zz"),
        ("&lt;password={}&gt;", "Tr0ub4dor3zz"),
        ("password = '{}'", "#Xk9!pQ2mZ7"),
        ("password: {}", "$7rub4dor!3z"),
        ("password = '{}'", "/Xk9!pQ2mZ7"),
    ],
)
def test_value_in_markup_is_masked(text: str, value: str) -> None:
    """Spaces in names, bold text, elements, `&` and leading symbols hide no value."""
    masked = mask_secrets(text.format(value))

    kinds = {"<secret:password:1>", "<secret:api-key:1>"}
    assert masked in {text.format(kind) for kind in kinds}
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize("name", ["export AWS_SESSION_TOKEN={}", '{{"refresh_token": "0.{}"}}'])
def test_long_value_is_masked(name: str) -> None:
    """Tokens of sessions have up to thousands of characters."""
    value = SampleMaker(2).draw_secret("[B900]")

    assert value[-20:] not in mask_secrets(name.format(value))


def test_repeated_secret_inside_a_word_stays() -> None:
    """A longer word that holds the value is another one."""
    assert mask_secrets(f"token={TOKEN}\n{TOKEN}x, x{TOKEN}, {TOKEN}.") == (
        f"token=<secret:token:1>\n{TOKEN}x, x{TOKEN}, <secret:token:1>."
    )


def test_short_value_is_masked_at_its_name_only() -> None:
    """Elsewhere it may be another word."""
    assert mask_secrets("password = 'ab1cd2'\nab1cd2") == (
        "password = '<secret:password:1>'\nab1cd2"
    )


def test_mask_with_five_digits_is_a_mask() -> None:
    """A message may hold as many secrets."""
    text = f"was <secret:aws-key:99998>, now {AWS_KEY}"

    assert mask_secrets(text) == "was <secret:aws-key:99998>, now <secret:aws-key:99999>"


def test_escaped_text_has_escaped_masks() -> None:
    """In Slack's markup a mask is no token, also inside a link."""
    masked = SecretMasker().mask_text(f"<https://bob:{TOKEN}@a.example|bob:{TOKEN}@a>", escape=True)

    assert masked == (
        "<https://bob:&lt;secret:url-password:1&gt;@a.example|bob:&lt;secret:url-password:1&gt;@a>"
    )


def test_special_kind_hides_the_general_one() -> None:
    """A value is named after its own form."""
    assert mask_secrets(f'api_key = "{AWS_KEY}"') == 'api_key = "<secret:aws-key:1>"'


def test_capital_letter_that_grows_moves_no_position() -> None:
    """Turkish İ has two characters in lower case."""
    assert mask_secrets(f"İİİ token={TOKEN}") == "İİİ token=<secret:token:1>"


def test_literals_are_parts_of_their_patterns() -> None:
    """Each literal leads the search: without it in the pattern nothing would be found."""
    for literal, one in LITERALS:
        words = re.sub(r"\\(.)", r"\1", one.pattern.pattern)
        assert literal in words or one.kind is SecretKind.DISCORD_TOKEN


def test_hostile_texts_are_read_to_their_end() -> None:
    """Repetitions of beginnings cost no more than other text, and are masked once."""
    for text in generate_hostile_texts(16_384):
        masked = mask_secrets(text)
        assert len(masked) <= 3 * len(text)
