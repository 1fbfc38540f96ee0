"""
Labeled secrets: texts with one made-up secret each, and real code without any.

The secrets are drawn by chance from the parts of their formats, so that no line of the repository
looks like one.
"""

import random
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from contract.masking import SecretKind

ALNUM: Final = string.ascii_letters + string.digits
SNIPPET_LINES: Final = 20
ALPHABETS: Final = {
    "A": ALNUM,
    "B": f"{ALNUM}+/",
    "D": "123456789",
    "H": string.hexdigits[:16],
    "L": string.ascii_letters,
    "S": f"{ALNUM}-_",
    "U": string.ascii_uppercase + string.digits,
}
DRAWN_PART: Final = re.compile(r"\[([ABDHLSU])(\d+)\]")
FORMATS: Final = (
    (SecretKind.AWS_KEY, "AK~IA[U16]", "AS~IA[U16]"),
    (SecretKind.GOOGLE_KEY, "AI~za[S34]x", "ya~29.[S60]", "GOC~SPX-[S27]x"),
    (SecretKind.AZURE_KEY, "[A3]8Q~~[A34]"),
    (SecretKind.SLACK_TOKEN, "xo~xb-[D12]-[D13]-[A24]", "xo~xp-[D12]-[H32]"),
    (SecretKind.SLACK_TOKEN, "xa~pp-1-A[U9]-[D13]-[H64]", "xo~xe.xo~xp-1-[A140]"),
    (SecretKind.GITHUB_TOKEN, "gh~p_[A36]", "gh~o_[A36]", "gh~u_[A36]", "gh~s_[A36]", "gh~r_[A76]"),
    (SecretKind.GITHUB_TOKEN, "github~_pat_[A22]_[A59]"),
    (SecretKind.GITLAB_TOKEN, "gl~pat-[S20]", "gl~rt-[S20]"),
    (SecretKind.NPM_TOKEN, "np~m_[A36]"),
    (SecretKind.PYPI_TOKEN, "py~pi-AgEIcHlwaS5vcmc[S120]"),
    (SecretKind.DOCKER_TOKEN, "dckr~_pat_[S27]"),
    (SecretKind.STRIPE_KEY, "sk~_live_[A24]", "rk~_live_[A99]", "wh~sec_[A32]"),
    (SecretKind.SHOPIFY_TOKEN, "sh~pat_[H32]"),
    (SecretKind.SQUARE_TOKEN, "sq0~atp-[S22]"),
    (SecretKind.TWILIO_KEY, "S~K[H32]"),
    (SecretKind.SENDGRID_KEY, "S~G.[S22].[S43]"),
    (SecretKind.MAILGUN_KEY, "ke~y-[H32]"),
    (SecretKind.OPENAI_KEY, "s~k-[A48]", "s~k-proj-[S80]"),
    (SecretKind.ANTHROPIC_KEY, "s~k-ant-api03-[S93]AA"),
    (SecretKind.HUGGING_FACE_TOKEN, "h~f_[L34]"),
    (SecretKind.DIGITALOCEAN_TOKEN, "do~p_v1_[H64]"),
    (SecretKind.DATABRICKS_TOKEN, "da~pi[H32]"),
    (SecretKind.VAULT_TOKEN, "hv~s.[S90]"),
    (SecretKind.GRAFANA_TOKEN, "gl~sa_[A32]_[H8]"),
    (SecretKind.TELEGRAM_TOKEN, "[D10]:A~A[S33]"),
    (SecretKind.DISCORD_TOKEN, "M[A23].[A6].[S38]"),
    (SecretKind.JWT, "ey~J[A34].ey~J[A60].[S43]"),
)
"""Secrets known by their form; `[A24]` is drawn, and `~` splits what scanners look for."""
NAMED: Final = (
    (SecretKind.AWS_SECRET, "[B40]", "aws_secret_access_key = {}"),
    (SecretKind.AWS_SECRET, "[B40]", 'AWS_SECRET_ACCESS_KEY="{}"'),
    (SecretKind.AWS_SECRET, "[B40]", '"SecretAccessKey": "{}"'),
    (SecretKind.AZURE_KEY, "[B86]==", "AccountName=a;AccountKey={};EndpointSuffix=b"),
    (SecretKind.AZURE_KEY, "[B43]=", "Endpoint=sb://a.example/;SharedAccessKey={}"),
    (SecretKind.AZURE_KEY, "[A44]%3D", "https://a.example/b?sv=2024-01-01&sig={}"),
    (
        SecretKind.SLACK_WEBHOOK,
        "T[U9]/B[U9]/[A24]",
        "curl -X POST https://hooks.slack.com/services/{}",
    ),
    (SecretKind.DISCORD_TOKEN, "[S68]", "https://discord.com/api/webhooks/123456789012345678/{}"),
    (SecretKind.URL_PASSWORD, "[L8]7[D2]!", "postgresql://bob:{}@db.internal:5432/a"),
    (SecretKind.URL_PASSWORD, "[A16]", "redis://:{}@10.0.0.7:6379/0"),
    (SecretKind.URL_PASSWORD, "[A20]", "git clone https://bob:{}@git.internal/a.git"),
    (SecretKind.AUTHORIZATION, "[A40]", "curl -H 'Authorization: Bearer {}' x"),
    (SecretKind.AUTHORIZATION, "[A24]==", '"Authorization": "Basic {}"'),
    (SecretKind.PASSWORD, "[L8]7[D2]!", 'password = "{}"'),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "DB_PASSWORD={}"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "  password: '{}'"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "mysqldump --password={} shop"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "login --password {}"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "curl -u bob:{} https://a.example/b"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "curl -s --user 'bob:{}' https://a.example"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "密码是 {}"),
    (SecretKind.PASSWORD, "[L8]7[D2]!", 'connect(user="bob", passwd="{}")'),
    (SecretKind.PASSWORD, "[L8]7[D2]!", "auth: {{ user: 'bob', pass: '{}' }}"),
    (SecretKind.TOKEN, "[A32]", "API_TOKEN={}"),
    (SecretKind.TOKEN, "[H40]", "token: {}"),
    (SecretKind.TOKEN, "[A40]", "const clientSecret = '{}';"),
    (SecretKind.TOKEN, "[S32]7a1", 'SECRET_TOKEN: str = "{}"'),
    (SecretKind.API_KEY, "[A32]", 'api_key="{}"'),
    (SecretKind.API_KEY, "[H32]", "X-Api-Key: {}"),
    (SecretKind.API_KEY, "[H32]", "ENCRYPTION_KEY={}"),
)
"""Secrets that only the text around them tells."""
FORMS: Final = (
    "{secret}",
    'key = "{secret}"',
    "export SOME_VALUE={secret}",
    '{{"value": "{secret}", "id": 7}}',
    "I get 401 with `{secret}`, why?",
    "```\nclient = Client('{secret}')\n```",
)
"""Surroundings of a secret with their own form."""


HOSTILE_UNITS: Final = (
    *("AKIA", "eyJ", "-eyJ", "eyJaaaaaaaaaaa.", "ghp_", "gl", "xoxb-", "SK", "sk-", "SG.", "Q~"),
    *(
        "MMMM",
        "M" + "a" * 24 + ".",
        "12345678:AA",
        "1",
        "A",
        " ",
        "-",
        ".",
        '"',
        "İ",
        "&lt;secret:",
    ),
    *("token", "token=", 'token="', "_key", "pass:", "--password ", 'password="Sup3r!pw1" '),
    *("apikey=", "password=", "password=a1&/", "token=a1*"),
    *("://", "://a:", "://a:b3b3b3b3@", "bearer ", "authorization: basic ", "secret       :"),
    *("-----BEGIN PRIVATE " + "KEY-----\n", "-----BEGIN ", "密码是"),
    "-----BEGIN PRIVATE " + "KEY-----\n" + "MIIEowIBAAKCAQEA1234MIIE ",
)
"""Parts of secrets whose repetitions are searched in vain, or found at every place."""


class SecretSample(NamedTuple):
    """Text that holds `secret`."""

    kind: SecretKind
    secret: str
    text: str


class SampleMaker:
    """Draws secrets by chance; the same seed draws the same ones."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no real secrets

    def draw_secret(self, template: str) -> str:
        """Return a secret of a template; `~~` is one `~`."""
        parts = [part.replace("~", "") for part in template.split("~~")]
        return DRAWN_PART.sub(lambda found: self._draw_part(*found.groups()), "~".join(parts))

    def generate_samples(self) -> list[SecretSample]:
        """Return samples of every kind."""
        samples = []
        for form in FORMS:
            for kind, *templates in FORMATS:
                secrets = [self.draw_secret(template) for template in templates]
                samples += [SecretSample(kind, one, form.format(secret=one)) for one in secrets]
            for kind, template, text in NAMED:
                secret = self.draw_secret(template)
                samples.append(SecretSample(kind, secret, text.format(secret)))
            samples += self._draw_keys()
        return samples

    def _draw_part(self, alphabet: str, count: str) -> str:
        return "".join(self._random.choices(ALPHABETS[alphabet], k=int(count)))

    def _draw_keys(self) -> Iterator[SecretSample]:
        """Yield private keys, in lines and in JSON; one of their lines tells whether they show."""
        for name in ("RSA ", "OPENSSH ", "EC ", ""):
            lines = [self.draw_secret("[B64]") for _ in range(6)]
            body = "\n".join([*lines, self.draw_secret("[B30]==")])
            key = f"-----BEGIN {name}PRIVATE {'KEY'}-----\n{body}\n-----END {name}PRIVATE KEY-----"
            yield SecretSample(SecretKind.PRIVATE_KEY, lines[3], f"my key:\n```\n{key}\n```\nwhy?")
            escaped = key.replace("\n", "\\n")
            text = f'{{"private_key": "{escaped}\\n"}}'
            yield SecretSample(SecretKind.PRIVATE_KEY, lines[2], text)


def read_snippets(folder: Path) -> Iterator[str]:
    """Yield pieces of the Python files of a folder, such as the standard library."""
    for path in sorted(folder.rglob("*.py")):
        lines = path.read_text("utf-8", errors="replace").splitlines(keepends=True)
        for start in range(0, len(lines), SNIPPET_LINES):
            yield "".join(lines[start : start + SNIPPET_LINES])


def generate_hostile_texts(length: int) -> Iterator[str]:
    """Yield texts in which nearly every character could begin a secret."""
    for unit in HOSTILE_UNITS:
        yield (unit * (length // len(unit) + 1))[:length]
