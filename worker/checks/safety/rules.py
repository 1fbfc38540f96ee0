"""Rules by syntax node for JavaScript, TypeScript, shell, Java and Go, and words that all share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NEAR_LINES: Final = 2
"""Lines before and after a node that count as near."""
MAX_NODE_CHARACTERS: Final = 400
"""Beginning of a node's text that patterns see."""
SECRET_NAME: Final = re.compile(
    r"(?i)(?:passw(?:or)?d|passwd|secret|token|(?:api|access|secret|private)_?key)s?$"
)
"""End of a name that holds a secret; `token_type` and `TOKENIZER` hold none."""
WORDS: Final = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*")
"""A value of words alone, which names something."""
PLACEHOLDER_VALUE: Final = re.compile(
    r"(?i)your|example|change|xxx|placeholder|insert|replace|dummy|todo|redact|secret:|test|<|\{|\$"
    r"|\*\*|\.\.\.|env|https?:|/|\s|^(?:pass(?:word)?|secret|token|string|text|none|null)$"
)
MIN_SECRET_CHARACTERS: Final = 8
NEAR_PASSWORDS: Final = re.compile(r"(?i)passw|pwd|credential")
NEAR_TOKENS: Final = re.compile(
    r"(?i)(?:token|password|passwd|secret|otp|session_?id|salt|api_?key)\b\s*(?::\s*\w+\s*)?:?=[^=]"
)
"""A value that is given to a name with such an end; `tokens` are often a language model's."""
SQL: Final = (
    r"(?:SELECT\b.{1,200}?\bFROM|INSERT\s+INTO|UPDATE\b.{1,80}?\bSET|DELETE\s+FROM"
    r"|select\b.{1,200}?\bfrom\s+\w+(?:\s+where|\s*[\"'`;$]|\s+join|\s+order)"
    r"|insert\s+into|update\s+\w+\s+set|delete\s+from)\b"
)
"""Begin of a statement. Lower case needs more of it: `Select one from` is English."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A kind of mistake in nodes of these types.

    `pattern` must be found in the node's text, `near` in the lines around it, `unless` in neither.
    """

    name: str
    types: frozenset[str]
    pattern: re.Pattern[str]
    near: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None


def _rule(
    name: str,
    types: str,
    pattern: str,
    near: re.Pattern[str] | None = None,
    unless: str | None = None,
) -> Rule:
    compiled = re.compile(unless, re.DOTALL) if unless else None
    return Rule(name, frozenset(types.split()), re.compile(pattern, re.DOTALL), near, compiled)


JS_JOINED: Final = r"(?:[\"'][^\"']*[\"']\s*\+|`[^`]*\$\{)"
"""A text that is put together, in JavaScript."""
JAVASCRIPT: Final = (
    _rule("code-execution", "call_expression", r"^(?:window\.|globalThis\.)?eval\((?!\s*[\"'`])"),
    _rule("code-execution", "new_expression", r"^new Function\([^)\"'`]*[\w)]"),
    _rule(
        "command-injection",
        "call_expression",
        rf"^(?:(?:child_process|cp)\.)?exec(?:Sync)?\(\s*{JS_JOINED}"
        r"|^(?:(?:child_process|cp)\.exec(?:Sync)?|execSync)\(\s*\w+\s*\+",
    ),
    _rule(
        "command-injection",
        "call_expression",
        r"^(?:(?:child_process|cp)\.)?exec(?:Sync)?\(\s*req\.",
    ),
    _rule("tls-off", "pair", r"^[\"']?rejectUnauthorized[\"']?\s*:\s*false"),
    _rule("tls-off", "assignment_expression", r"NODE_TLS_REJECT_UNAUTHORIZED.{0,3}=\s*[\"']?0"),
    _rule("weak-hash", "call_expression", r"createHash\(\s*[\"'](?:md5|sha1)[\"']", NEAR_PASSWORDS),
    _rule(
        "sql-concatenation",
        "binary_expression template_string",
        rf"^[\"'`]\s*{SQL}.*?(?:[\"'`]\s*\+|\$\{{)",
    ),
    _rule("bind-all", "call_expression", r"\.listen\(.{0,80}?[\"']0\.0\.0\.0[\"']"),
    _rule(
        "cross-site",
        "assignment_expression",
        r"\.(?:inner|outer)HTML\s*\+?=\s*+(?![\"'][^\"']*[\"'];?$|`[^$]*`;?$)",
        unless=r"(?i)sanitize|escape|purify",
    ),
    _rule("cross-site", "call_expression", r"^document\.write\((?!\s*[\"'][^\"']*[\"']\s*\))"),
    _rule("unsafe-deserialization", "call_expression", r"\bunserialize\("),
    _rule(
        "path-traversal",
        "call_expression",
        r"(?:readFile|readFileSync|createReadStream|unlink|unlinkSync|writeFile|writeFileSync"
        r"|sendFile|download)\([^;]{0,80}?\breq(?:uest)?\.(?:query|params|body)",
        unless=r"basename|normalize|startsWith",
    ),
    _rule("weak-random", "call_expression", r"^Math\.random\(", NEAR_TOKENS),
)
SHELL: Final = (
    _rule(
        "pipe-to-shell",
        "pipeline",
        r"\b(?:curl|wget)\b.*\|\s*(?:sudo\s+)?(?:-E\s+)?(?:ba|z|da)?sh\b",
    ),
    _rule("code-execution", "command", r"^eval\s+(?!\"?\$\([^$]*\)\"?$).{0,80}?\$"),
    _rule(
        "tls-off", "command", r"^(?:sudo\s+)?curl\b.*\s(?:-[a-zA-Z]*k[a-zA-Z]*|--insecure)(?=\s|$)"
    ),
    _rule("tls-off", "command", r"^(?:sudo\s+)?wget\b.*\s--no-check-certificate"),
    _rule("tls-off", "command", r"^git\s+config\b.*http\.sslVerify\s+false"),
    _rule(
        "delete-all",
        "command",
        r"^(?:sudo\s+)?rm\s+-(?=\w*r)(?=\w*f)\w+\s+(?:--no-preserve-root\s+)?(?:/\*?|~/?\*?|\"?\$\{?\w+\}?\"?/\*?)(?=\s|$)",
    ),
    _rule("open-permissions", "command", r"^(?:sudo\s+)?chmod\s+(?:-R\s+)?0?777\b"),
)
JAVA: Final = (
    _rule("command-injection", "method_invocation", r"getRuntime\(\)\s*\.exec\([^)]{0,120}?\+"),
    _rule(
        "sql-concatenation",
        "binary_expression",
        rf"^\"\s*{SQL}.*?\"\s*\+\s*+(?!\")",
    ),
    _rule("sql-concatenation", "method_invocation", rf"^String\.format\(\s*\"\s*{SQL}[^\"]*%s"),
    _rule("unsafe-deserialization", "method_invocation", r"\.readObject\(\s*\)$"),
    _rule("weak-hash", "method_invocation", r"getInstance\(\s*\"(?:MD5|SHA-?1)\"", NEAR_PASSWORDS),
    _rule(
        "weak-cipher", "method_invocation", r"Cipher\.getInstance\(\s*\"(?:DES|RC4|AES/ECB|AES\")"
    ),
    _rule("tls-off", "method_declaration", r"checkServerTrusted\([^)]*\)[^{]*\{\s*\}"),
    _rule("tls-off", "lambda_expression", r"^\(\s*\w*host\w*\s*,\s*\w+\s*\)\s*->\s*true"),
    _rule(
        "tls-off", "field_access identifier", r"NoopHostnameVerifier|ALLOW_ALL_HOSTNAME_VERIFIER"
    ),
    _rule(
        "path-traversal",
        "object_creation_expression",
        r"^new\s+(?:File|FileInputStream|FileReader)\(.{0,120}?getParameter\(",
    ),
    _rule("weak-random", "object_creation_expression", r"^new\s+Random\(", NEAR_TOKENS),
)
GO: Final = (
    _rule(
        "command-injection",
        "call_expression",
        r"^exec\.Command(?:Context)?\((?:ctx,\s*)?\"(?:/bin/)?(?:ba)?sh\",\s*\"-c\",\s*(?:\w|\"[^\"]*\"\s*\+)",
    ),
    _rule(
        "sql-concatenation", "call_expression", rf"^fmt\.Sprintf\(\s*[\"`]\s*{SQL}[^\"`]*%[svdq]"
    ),
    _rule("sql-concatenation", "binary_expression", rf"^[\"`]\s*{SQL}.*?[\"`]\s*\+\s*+(?![\"`])"),
    _rule("tls-off", "keyed_element", r"^InsecureSkipVerify:\s*true"),
    _rule("weak-hash", "call_expression", r"^(?:md5|sha1)\.(?:Sum|New)\(", NEAR_PASSWORDS),
    _rule(
        "bind-all",
        "call_expression",
        r"(?:ListenAndServe(?:TLS)?|net\.Listen)\(.{0,40}?\"0\.0\.0\.0:",
    ),
    _rule(
        "path-traversal",
        "call_expression",
        r"^(?:os|ioutil)\.(?:Open|ReadFile|Remove|Create)\(.{0,80}?\br\.(?:URL\.Query|FormValue)",
        unless=r"filepath\.Base|path\.Base",
    ),
    _rule("weak-random", "call_expression", r"^rand\.(?:Int|Intn|Int63|Uint32)\(", NEAR_TOKENS),
)
RULES: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {"javascript": JAVASCRIPT, "typescript": JAVASCRIPT, "bash": SHELL, "java": JAVA, "go": GO}
)
ASSIGNMENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "javascript": frozenset({"variable_declarator", "pair", "assignment_expression"}),
        "typescript": frozenset({"variable_declarator", "pair", "assignment_expression"}),
        "bash": frozenset({"variable_assignment"}),
        "java": frozenset({"variable_declarator"}),
        "go": frozenset({"short_var_declaration", "const_spec", "var_spec", "keyed_element"}),
    }
)
"""Types of nodes that give a value to a name."""
ASSIGNED_TEXT: Final = re.compile(
    r"""^["']?([\w.\[\]-]{1,60})["']?\s*(?::\s*\w+\s*)?(?::=|=|:)\s*["'`]?([^"'`\n]{1,200})["'`]?;?$"""
)


def join_near_lines(lines: list[str], row: int) -> str:
    """Return a line, by its index, with the lines around it."""
    return "\n".join(lines[max(0, row - NEAR_LINES) : row + NEAR_LINES + 1])


def is_secret_text(name: str, value: str) -> bool:
    """Return whether a text that is given to a name looks like a real secret."""
    return (
        SECRET_NAME.search(name) is not None
        and len(value) >= MIN_SECRET_CHARACTERS
        and PLACEHOLDER_VALUE.search(value) is None
        and WORDS.fullmatch(value) is None
    )
