"""
Slack mrkdwn: mentions, code blocks, and the text as its author typed it.

Slack escapes a literal `<`, `>` or `&` as an entity. Text between an unescaped `<` and `>` is
therefore a token: a mention, a channel or a link. Slack's clients add links inside code too.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

MARKUP_TOKEN: Final = re.compile(r"<([^<>]*)>")
USER_MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
LABELED_TOKEN: Final = re.compile(r"<([#!][^<>|]+)\|([^<>]+)>")
BARE_AMPERSAND: Final = re.compile(r"&(?!(?:amp|lt|gt);)")
UNIX_TIME: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
CODE_FENCE: Final = re.compile(r"(?<!`)```(?!`)")
URL_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")
FENCE_LANGUAGES: Final = frozenset(
    {
        *("awk", "bash", "bat", "c", "c#", "c++", "clojure", "cmake", "cpp", "csharp", "css"),
        *("csv", "cuda", "dart", "diff", "docker", "dockerfile", "elixir", "elm", "erlang"),
        *("f#", "fortran", "fsharp", "go", "golang", "graphql", "groovy", "haskell", "hcl"),
        *("html", "ini", "java", "javascript", "js", "json", "jsonc", "jsx", "julia", "kotlin"),
        *("latex", "less", "lisp", "lua", "makefile", "markdown", "matlab", "md", "nginx"),
        *("nim", "nix", "objc", "ocaml", "pascal", "perl", "php", "plaintext", "powershell"),
        *("proto", "protobuf", "ps1", "py", "pycon", "python", "python3", "r", "rb", "rs"),
        *("ruby", "rust", "sass", "scala", "scheme", "scss", "sh", "shell", "solidity", "sql"),
        *("svelte", "swift", "tcl", "terraform", "tex", "text", "toml", "ts", "tsx", "txt"),
        *("typescript", "vb", "verilog", "vhdl", "vim", "vue", "xml", "yaml", "yml", "zig"),
        "zsh",
    }
)
"""Words after an opening fence that name a language and are no code."""


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def escape_text(text: str) -> str:
    """Escape literal text, so that none of it is a token."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_plain_text(text: str) -> str:
    """Escape the text of a `plain_text` object, in which Slack may have escaped entities."""
    return BARE_AMPERSAND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def find_mentions(text: str) -> tuple[str, ...]:
    """Return the ids of all mentioned users, in order."""
    return tuple(USER_MENTION.findall(text))


def find_labels(text: str) -> Mapping[str, str]:
    """Return the labels of channels and user groups by token target, such as `#C1`."""
    return dict(LABELED_TOKEN.findall(text))


def remove_mentions(text: str, user: str) -> str:
    """Replace each mention of `user` by a blank."""
    return USER_MENTION.sub(lambda found: " " if found[1] == user else found[0], text)


def strip_leading_mention(text: str, user: str) -> str:
    """Remove leading mentions of `user`; keep the indentation of code after them."""
    mention = re.compile(rf"\s*<@{user}(?:\|[^<>]*)?>[,:;]?(?:(?:[ \t]*\n)+|[ \t]*)")
    start = 0
    while found := mention.match(text, start):
        start = found.end()
    return text[start:]


def separate_code_blocks(text: str) -> str:
    """
    Put code and its fences on lines of their own.

    Slack shows "```x = 1```" as a block of code. In Markdown, the words behind an opening fence
    are no code but its language.
    """
    pieces = CODE_FENCE.split(text)
    if len(pieces) % 2 == 0:
        # The last fence is not closed, so it is text.
        pieces[-2:] = [f"{pieces[-2]}```{pieces[-1]}"]
    if len(pieces) == 1:
        return text
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = _separate_code(piece)
        else:
            pieces[index] = _separate_prose(piece, is_first=index == 0, is_last=index == last)
    return "```".join(pieces)


def to_plain_text(text: str, names: Mapping[str, str]) -> str:
    """Convert mrkdwn to plain text. `names` maps user ids to names; unknown ids are kept."""
    parts: list[str] = []
    end = 0
    for token in MARKUP_TOKEN.finditer(text):
        parts += [
            unescape_text(text[end : token.start()]),
            _render_token(token.group(1), names),
        ]
        end = token.end()
    return "".join([*parts, unescape_text(text[end:])])


def is_automatic_link(url: str, label: str) -> bool:
    """Return whether the label is what its author typed: Slack links "foo.py" by itself."""
    return any(url.rstrip("/") == scheme + label.rstrip("/") for scheme in URL_SCHEMES)


def format_date(seconds: str) -> str:
    """Return a Unix time (s) as a date; empty if it is none."""
    if not UNIX_TIME.fullmatch(seconds):
        return ""
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M} UTC"


def _separate_code(code: str) -> str:
    first, line_end, _ = code.partition("\n")
    has_language = bool(line_end) and first.strip().lower() in FENCE_LANGUAGES
    front = "" if has_language or (not first.strip() and line_end) else "\n"
    back = "" if code.rstrip(" \t").endswith("\n") else "\n"
    return f"{front}{code}{back}"


def _separate_prose(prose: str, *, is_first: bool, is_last: bool) -> str:
    if not prose.strip():
        return prose if is_first or is_last or "\n" in prose else "\n"
    front = "" if is_first or prose.lstrip(" \t").startswith("\n") else "\n"
    back = "" if is_last or prose.rstrip(" \t").endswith("\n") else "\n"
    return f"{front}{prose}{back}"


def unescape_text(text: str) -> str:
    """Return escaped text as it was typed; tokens stay."""
    # "&amp;" last: a person who typed "&lt;" is escaped as "&amp;lt;".
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _render_token(inside: str, names: Mapping[str, str]) -> str:
    target, _, label = inside.partition("|")
    target, label = unescape_text(target), unescape_text(label)
    if target.startswith("@"):
        user = target[1:]
        return f"@{names.get(user) or label or user}"
    if target.startswith("#"):
        return f"#{label or 'channel'}"
    if target.startswith("!"):
        return _render_broadcast(target[1:], label)
    return _render_link(target, label)


def _render_broadcast(target: str, label: str) -> str:
    kind, _, rest = target.partition("^")
    if kind == "date":
        return label or format_date(rest.partition("^")[0]) or rest
    return f"@{(label or ('group' if rest else kind)).removeprefix('@')}"


def _render_link(url: str, label: str) -> str:
    if not label or label == url:
        return url
    return label if is_automatic_link(url, label) else f"{label} ({url})"
