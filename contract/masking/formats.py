"""
Formats of secrets: each kind whose values have a form of their own.

Every pattern begins with a literal, which makes its search fast. Quantifiers are bounded or
possessive, so that no text takes more than linear time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contract.masking.kinds import SecretKind

WORD_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)
PEM_GAP: Final = r"""(?:\s|\\[nr]|["'+>|,;*#`]|&gt;){0,60}"""
"""White space, escaped ends of lines and quotation between the lines of a key."""
PEM_FIELD: Final = r"(?:Proc-Type|DEK-Info|Version|Comment|Hash):[^\n\\]{0,200}+"
PEM_LINE: Final = rf"(?:[A-Za-z0-9+/=]{{20,}}+|{PEM_FIELD})"
PRIVATE_KEY: Final = (
    rf"-----BEGIN [A-Z0-9 ]{{0,40}}?PRIVATE KEY(?: BLOCK)?-----{PEM_GAP}"
    rf"(?P<value>{PEM_LINE}(?:{PEM_GAP}{PEM_LINE})*"
    rf"(?:{PEM_GAP}[A-Za-z0-9+/=]{{1,19}}+(?={PEM_GAP}(?:-----END |\Z)))?)"
)


@dataclass(frozen=True, slots=True)
class SecretFormat:
    """
    Pattern of one kind of secret.

    Every match has one of `literals`, at whose place `pattern` begins to match, unless it
    `searches`. The group `value`, or the whole match, is the secret. A secret does not begin inside
    a word of the characters `inside`.
    """

    kind: SecretKind
    literals: tuple[str, ...]
    pattern: re.Pattern[str]
    inside: frozenset[str] = WORD_CHARACTERS
    searches: bool = False

    def find_spans(self, text: str, literal: str) -> Iterator[tuple[int, int]]:
        """Yield beginning and end of each secret with this literal in a text."""
        matches = self.pattern.finditer(text) if self.searches else self._match(text, literal)
        for found in matches:
            yield found.span("value" if "value" in self.pattern.groupindex else 0)

    def _match(self, text: str, literal: str) -> Iterator[re.Match[str]]:
        at = text.find(literal)
        while at >= 0:
            is_inside = at > 0 and text[at - 1] in self.inside and literal[0] in self.inside
            found = None if is_inside else self.pattern.match(text, at)
            if found is not None:
                yield found
            at = text.find(literal, at + len(literal) if found is None else found.end())


def _build_formats(*rows: tuple[SecretKind, str, str]) -> tuple[SecretFormat, ...]:
    """Return the formats of rows with kind, literals and the pattern after the literal."""
    return tuple(
        SecretFormat(kind, (literal,), re.compile(f"{re.escape(literal)}{rest}", re.ASCII))
        for kind, literals, rest in rows
        for literal in literals.split()
    )


FORMATS: Final = (
    *_build_formats(
        (
            SecretKind.AWS_KEY,
            "AKIA ASIA ABIA ACCA",
            r"(?!\w{9}EXAMPLE)[A-Z0-9]{16}(?!\w)",
        ),
        (SecretKind.GOOGLE_KEY, "AIza", r"[\w-]{35}(?![\w-])"),
        (SecretKind.GOOGLE_KEY, "ya29.", r"[\w-]{20,}+"),
        (SecretKind.GOOGLE_KEY, "GOCSPX-", r"[\w-]{28}(?![\w-])"),
        (SecretKind.AZURE_KEY, "AccountKey=", r"(?P<value>[A-Za-z0-9+/]{80,90}+={0,2})"),
        (SecretKind.AZURE_KEY, "SharedAccessKey=", r"(?P<value>[A-Za-z0-9+/]{40,90}+={0,2})"),
        (SecretKind.AZURE_KEY, "sig=", r"(?P<value>[A-Za-z0-9%+/]{43,70}+={0,2})"),
        (SecretKind.SLACK_TOKEN, "xox", r"(?:[abeoprs]-|e\.xox[bp]-)[\w-]{10,}+"),
        (SecretKind.SLACK_TOKEN, "xapp-", r"\d-[\w-]{10,}+"),
        (SecretKind.SLACK_WEBHOOK, "hooks.slack.com/", r"[a-z]{4,12}/(?P<value>[\w/]{24,}+)"),
        (SecretKind.GITHUB_TOKEN, "gh", r"[pousr]_[A-Za-z0-9]{36,}+"),
        (SecretKind.GITHUB_TOKEN, "github_pat_", r"\w{22,}+"),
        (
            SecretKind.GITLAB_TOKEN,
            "gl",
            r"(?:pat|dt|rt|ptt|cbt|ft|soat|agent|oas|imt|ffct)-[\w.-]{20,}+",
        ),
        (SecretKind.NPM_TOKEN, "npm_", r"[A-Za-z0-9]{36,}+"),
        (SecretKind.PYPI_TOKEN, "pypi-AgE", r"[\w-]{50,}+"),
        (SecretKind.DOCKER_TOKEN, "dckr_", r"[po]at_[\w-]{20,}+"),
        (SecretKind.STRIPE_KEY, "sk_live_ rk_live_", r"[A-Za-z0-9]{16,}+"),
        (SecretKind.STRIPE_KEY, "whsec_", r"[A-Za-z0-9+/]{24,}+={0,2}"),
        (SecretKind.SHOPIFY_TOKEN, "shp", r"(?:at|ca|pa|ss)_[A-Fa-f0-9]{32,}+"),
        (SecretKind.SQUARE_TOKEN, "sq0", r"(?:atp|csp)-[\w-]{22,}+"),
        (SecretKind.TWILIO_KEY, "SK", r"[0-9a-f]{32}(?!\w)"),
        (SecretKind.SENDGRID_KEY, "SG.", r"[\w-]{16,32}+\.[\w-]{16,64}+"),
        (SecretKind.MAILGUN_KEY, "key-", r"[0-9a-f]{32}(?!\w)"),
        (SecretKind.ANTHROPIC_KEY, "sk-ant-", r"[\w-]{20,}+"),
        (SecretKind.OPENAI_KEY, "sk-", r"(?:proj|svcacct|admin|None)-[\w-]{20,}+"),
        (SecretKind.OPENAI_KEY, "sk-", r"(?:or-v1-)?[A-Za-z0-9]{32,}+(?![\w-])"),
        (SecretKind.HUGGING_FACE_TOKEN, "hf_", r"[A-Za-z0-9]{30,}+(?!_)"),
        (SecretKind.DIGITALOCEAN_TOKEN, "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{40,}+"),
        (SecretKind.DATABRICKS_TOKEN, "dapi", r"[0-9a-f]{32}(?:-\d)?(?!\w)"),
        (SecretKind.VAULT_TOKEN, "hv", r"[sb]\.[\w-]{24,}+"),
        (SecretKind.GRAFANA_TOKEN, "glsa_ glc_", r"[A-Za-z0-9_+/=]{32,}+"),
        (SecretKind.DISCORD_TOKEN, "/api/webhooks/", r"\d{15,22}+/(?P<value>[\w-]{60,}+)"),
    ),
    SecretFormat(
        SecretKind.JWT,
        ("eyJ",),
        re.compile(r"eyJ[\w-]{10,}+\.eyJ[\w-]{8,}+\.[\w-]{16,}+", re.ASCII),
        WORD_CHARACTERS | {"-"},
    ),
    SecretFormat(SecretKind.PRIVATE_KEY, ("-----BEGIN ",), re.compile(PRIVATE_KEY), frozenset()),
    SecretFormat(
        SecretKind.TELEGRAM_TOKEN,
        (":AA",),
        re.compile(r"(?<!\d)\d{8,10}+:AA[\w-]{32,33}(?![\w-])", re.ASCII),
        searches=True,
    ),
    SecretFormat(
        SecretKind.DISCORD_TOKEN,
        ("M", "N", "O"),
        re.compile(r"[MNO][A-Za-z\d]{23,27}+\.[\w-]{6}\.[\w-]{27,40}+(?![\w-])", re.ASCII),
    ),
    SecretFormat(
        SecretKind.AZURE_KEY,
        ("Q~",),
        re.compile(r"[\w~.-]{3}\dQ~[\w~.-]{31,34}+(?![\w~.-])", re.ASCII),
        searches=True,
    ),
)
"""Formats, more special ones first."""
LITERALS: Final = tuple((literal, one) for one in FORMATS for literal in one.literals)
