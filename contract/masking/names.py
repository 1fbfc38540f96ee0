"""
Named secrets: values that a name such as `password` is given, passwords in URLs, headers.

Their form tells little, so that each value is judged: a word, a dummy or an expression of
code is no secret.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from contract.masking.kinds import SecretKind

Finding = tuple[int, int, SecretKind]
"""Beginning and end of a secret, and its kind."""

KEYWORDS: Final = {
    "passw": SecretKind.PASSWORD,
    "passphrase": SecretKind.PASSWORD,
    "passcode": SecretKind.PASSWORD,
    "_pass": SecretKind.PASSWORD,
    "pass:": SecretKind.PASSWORD,
    'pass"': SecretKind.PASSWORD,
    "pass'": SecretKind.PASSWORD,
    "pwd": SecretKind.PASSWORD,
    "密码": SecretKind.PASSWORD,
    "密碼": SecretKind.PASSWORD,
    "口令": SecretKind.PASSWORD,
    "secret": SecretKind.TOKEN,
    "token": SecretKind.TOKEN,
    "credential": SecretKind.TOKEN,
    "令牌": SecretKind.TOKEN,
    "apikey": SecretKind.API_KEY,
    "_key": SecretKind.API_KEY,
    "-key": SecretKind.API_KEY,
    "accesskey": SecretKind.API_KEY,
    "api key": SecretKind.API_KEY,
    "access key": SecretKind.API_KEY,
    "secret key": SecretKind.API_KEY,
    "密钥": SecretKind.API_KEY,
    "密鑰": SecretKind.API_KEY,
}
"""Part of a name in lower case, and the kind of its value."""
NAME_ENDS: Final = ":\"'"
BARE: Final = r"[A-Za-z0-9+/=_.~!@\#$%^*?-]"
"""Characters of a value without quotes, besides `&`."""
ASSIGNMENT: Final = re.compile(
    rf"""
    [A-Za-z0-9_.-]{{0,40}}+
    (?:(?:>|&gt;)(?P<element>(?:[^\s<>&]|&amp;){{6,4096}})(?=</|&lt;/)
    |(?:["'`*\]]|\\"){{0,3}}\s{{0,8}}+
    (?::\ ?(?:str|string|String)\s{{0,2}}+(?==))?
    (?:(?:=>|:=|[:=]|：|是|为)[=>]?|,(?=\ ?["']))(?:[*_]{{1,2}}+(?=\s))?\s{{0,8}}+
    (?:[rbfu]?(?P<quote>["'`]|\\")(?P<quoted>[^"'`\\\s]{{6,4096}}+)(?=(?P=quote))
    |\*{{1,2}}+(?P<bold>[^\s*"'`\\]{{6,4096}}+)(?=\*)
    |(?P<bare>(?=(?:{BARE}|&amp;|&){{8}}){BARE}{{1,4096}}+
    (?:&(?:amp;)?(?!(?:[a-z]{{2,6}}|\#\d{{1,5}});|[\w.-]{{1,40}}=){BARE}{{1,256}}+){{0,8}})
    (?=[\s"'`,;<>&|)}}\]\\，。；]|$)))
    """,
    re.VERBOSE,
)
"""What may follow a keyword: the rest of its name, a sign and a value."""
OPTION: Final = re.compile(r"""[A-Za-z0-9-]{0,20}+[ ]{1,2}['"]?(?P<bare>[^\s'"<>|;&]{8,4096}+)""")
"""What may follow a keyword in an option of a command line, such as `--password`."""
OPTION_NAME: Final = re.compile(r"--[a-z-]{0,30}$")
URL_PASSWORD: Final = re.compile(
    r"""://[^\s:/?#@"'`<>]{0,128}+:(?P<value>[^\s/?#"'`<>@]{3,256}+)@(?=[A-Za-z0-9\[$])"""
)
HEADER: Final = re.compile(
    r"""
    (?:(?P<is_bearer>bearer)|authorization["']?\s?[:=,]\s?["']?(?:basic|token|bot|apikey))
    \s{1,4}+(?P<value>[A-Za-z0-9._~+/=-]{12,4096}+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
CURL_USER: Final = re.compile(
    r"""
    (?<!\S)(?:-u|--user|--proxy-user)[ =]{0,2}+["']?
    [^\s:"']{1,64}+:(?P<value>[^\s"']{6,256}+)
    """,
    re.VERBOSE,
)
"""The option of curl with a name and a password."""
DUMMY: Final = re.compile(
    r"""
    ^(?:[<\[{(]|[*$%#@.?/\\~^-]{1,9}+[A-Za-z_]++\d{0,4}+(?:[.\-/\\:@#][A-Za-z_]*+\d{0,4}+)*[/)}\]]?$
    |/?\^[\[(.]|%[A-Za-z][^A-Za-z\d]|\$\(|&lt;|0x|[A-Za-z]:[/\\]|\d{4}-\d\d-\d\d|(?:sha\d+|md5)[:-])|<secret:|&lt;secret:|\$\{|\{\{|\}|%\(|\(\)|\.\.\.|://
    |^p(?:ass|w|wd)\d*$|x{4,}|\*{3,}|\.{3,}|_{4,}|0{6,}|12345|abcdef|qwerty
    |change|example|placeholder|your|dummy|sample|redacted|insert|replace|enter_?|hidden|masked
    |secret|passw|token|credential|\bkey|_key|none|null|true|false|undefined|default|invalid
    |sha-?\d{3}|required|optional|nullable|string|\bm(?:in|ax)\b|\bmy[_-]?|foo|\bbar|test|todo|fake|mock|process\.env|os\.environ|getenv|self\.|this\.
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Forms and words of values that are no secret."""
IDENTIFIER: Final = re.compile(
    r"[A-Za-z_]++\d{0,2}+(?:[.\-_/:@#](?:[A-Za-z_]++\d{0,2}+|\d{1,2}+(?![A-Za-z\d])))*"
)
"""Words, joined as in identifiers and paths."""
WORD: Final = re.compile(r"[A-Za-z_.-]+\d?")
READABLE: Final = re.compile(
    r"""
    arn:.*|[\da-fA-F]{8}-(?:[\da-fA-F]{4}-){3}[\da-fA-F]{12}
    |(?=.*?(?<![A-Za-z\d])[A-Za-z]{3,12}\d{0,4}(?![A-Za-z\d]))
    (?:(?:[A-Za-z]{1,12}\d{0,4}|[a-z\d]{1,7}|[A-Z\d]{1,7}|\d{1,10})(?:[/:._-]|\Z)){3,}
    """,
    re.VERBOSE | re.ASCII,
)
"""Names of resources, UUIDs, and short parts, one of them a word: no tokens and no keys."""
OTHER_NAME: Final = re.compile(
    r"(?:(?:public|ssh|cache|redis|s3|foreign|idempotency|sort|partition)[_-]?key"
    r"|(?:first|second|render|com|by)[_-]?pass)$",
    re.IGNORECASE,
)
"""Names that end in a keyword and name no secret."""
OTHER_REST: Final = {"token": re.compile("iz", re.IGNORECASE), "_pass": re.compile(r"[a-zA-Z\d_]")}
"""What makes another word of a keyword."""
AWS_SECRET_NAME: Final = re.compile(r"secret[_-]?access[_-]?key|aws\w{0,20}secret", re.IGNORECASE)
AWS_SECRET: Final = re.compile(r"(?!.{0,40}EXAMPLE)[A-Za-z0-9/+]{40}")
MIN_CHARACTERS: Final = {SecretKind.PASSWORD: 6, SecretKind.TOKEN: 12, SecretKind.API_KEY: 16}
MIN_ENTROPY_BITS: Final = 2.9
"""Entropy of a token (bits for each character); repetitive texts have less."""
MIN_RANDOM_CHARACTERS: Final = 8
MAX_RANDOM_CHARACTERS: Final = 4096
MIN_MIXED_CHARACTERS: Final = 20
MIN_MIXED_SHARE: Final = 0.38
"""Share of the neighbors of other case in a random text; words in one have fewer."""
MAX_JUDGED_CHARACTERS: Final = 256
"""Beginning of a value that tells whether it is a secret."""
MAX_CONTEXT_CHARACTERS: Final = 40
"""Characters before a keyword that may belong to its name."""
SYMBOLS: Final = frozenset("!@#$%^&*+=?~")


def find_named_secrets(text: str) -> Iterator[Finding]:
    """Yield the secrets that a text names."""
    # One capital letter becomes two characters in lower case, which would move all positions.
    lowered = text.replace("İ", "I").lower()
    if "://" in text:
        yield from _find_url_passwords(text)
    if "bearer" in lowered or "authorization" in lowered:
        yield from _find_headers(text)
    if "curl" in lowered:
        yield from _find_curl_passwords(text)
    for keyword, kind in KEYWORDS.items():
        at = lowered.find(keyword)
        while at >= 0:
            end = at + len(keyword.rstrip(NAME_ENDS))
            is_other = keyword in OTHER_REST and OTHER_REST[keyword].match(text, end)
            found = None if is_other else _read_assignment(text, at, end, kind)
            if found is not None:
                yield found
            at = lowered.find(keyword, at + len(keyword) if found is None else found[1])


def _find_url_passwords(text: str) -> Iterator[Finding]:
    for found in URL_PASSWORD.finditer(text):
        value = found["value"]
        if not DUMMY.search(value) and not value.isdigit():
            yield (*found.span("value"), SecretKind.URL_PASSWORD)


def _find_curl_passwords(text: str) -> Iterator[Finding]:
    for found in CURL_USER.finditer(text):
        if _is_secret(found["value"], SecretKind.PASSWORD, is_quoted=False):
            yield (*found.span("value"), SecretKind.PASSWORD)


def _find_headers(text: str) -> Iterator[Finding]:
    for found in HEADER.finditer(text):
        value = found["value"]
        is_secret = is_random(value) if found["is_bearer"] else not DUMMY.search(value)
        if is_secret:
            yield (*found.span("value"), SecretKind.AUTHORIZATION)


def _read_assignment(text: str, at: int, end: int, kind: SecretKind) -> Finding | None:
    """Return the secret that the name with the keyword from `at` to `end` is given, if any."""
    found = ASSIGNMENT.match(text, end)
    before = text[max(0, at - MAX_CONTEXT_CHARACTERS) : at]
    if found is None and "--" in before and OPTION_NAME.search(before):
        found = OPTION.match(text, end)
    if found is None or OTHER_NAME.search(before + text[at:end]):
        return None
    group = str(found.lastgroup)
    value = found[group]
    name = before + text[at : found.start(group)]
    if AWS_SECRET.fullmatch(value) and AWS_SECRET_NAME.search(name):
        return (*found.span(group), SecretKind.AWS_SECRET)
    is_secret = _is_secret(value[:MAX_JUDGED_CHARACTERS], kind, is_quoted=group == "quoted")
    return (*found.span(group), kind) if is_secret else None


def _is_secret(value: str, kind: SecretKind, *, is_quoted: bool) -> bool:
    if len(value) < MIN_CHARACTERS[kind] or not value.isascii():
        return False
    if kind is not SecretKind.PASSWORD:
        return is_random(value) and not READABLE.fullmatch(value)
    has_letter = any(sign.isalpha() for sign in value)
    has_other = any(sign.isdigit() or sign in SYMBOLS for sign in value)
    is_password = has_other and (has_letter or is_quoted) and not WORD.fullmatch(value)
    return is_password and not DUMMY.search(value)


def is_random(value: str) -> bool:
    """Return whether a value looks as if it were drawn by chance: its characters alternate."""
    if not MIN_RANDOM_CHARACTERS <= len(value) <= MAX_RANDOM_CHARACTERS:
        return False
    signs = "".join(filter(str.isalnum, value))
    digits = [sign.isdigit() for sign in signs]
    cases = [sign.isdigit() + 2 * sign.isupper() for sign in signs]
    has_digits = sum(digits) > 1 and _count_changes(digits) > 1 and not IDENTIFIER.fullmatch(value)
    is_mixed = len(signs) >= MIN_MIXED_CHARACTERS and _count_changes(cases) > MIN_MIXED_SHARE * len(
        signs
    )
    return (
        (has_digits or is_mixed)
        and _measure_entropy(value) >= MIN_ENTROPY_BITS
        and not DUMMY.search(value)
    )


def _count_changes(classes: Sequence[int]) -> int:
    return sum(one != other for one, other in pairwise(classes))


def _measure_entropy(value: str) -> float:
    """Return Shannon's entropy of the characters of a value (bits each)."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
