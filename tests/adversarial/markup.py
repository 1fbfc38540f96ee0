"""Confusing markup: code fences of every kind, and Slack's own control sequences."""

from collections.abc import Iterator
from typing import Final

from tests.adversarial.case import (
    Case,
    CaseOutcome,
    EntryPoint,
    build_cases,
    escape_markup,
    fill_templates,
    mention_bot,
)

FENCES: Final = {
    "plain": "```",
    "four": "````",
    "six": "``````",
    "tildes": "~~~",
    "many-tildes": "~~~~~~",
    "python": "```python",
    "upper": "```PYTHON",
    "unknown": "```klingon",
    "title": "```python title='a b'",
    "braces": "```{.python .numberLines}",
    "ping": "```<!channel>",
    "address": "```https://evil.example/",
    "tick-inside": "```a`b",
    "traversal": "```../../etc/passwd",
    "long": "```" + "x" * 300,
    "indented": "   ```js",
    "too-indented": "     ```js",
    "tabbed": "\t```js",
    "quoted": "> ```sh",
    "listed": "1. ```sh",
}
FENCE_TEMPLATES: Final = {
    "closed": "see\n{}\nx = 1\n```\nthen?",
    "open": "see\n{}\nx = 1",
    "nested": "see\n{}\n```md\n{}\nx\n```\n````\nwhy?",
    "split": "see\n{}\n" + "y = 2  # word\n" * 60 + "{}\nend",
}

SLACK_MARKUP: Final = {
    "channel": "<!channel>",
    "here": "<!here>",
    "everyone": "<!everyone|everyone>",
    "subteam": "<!subteam^S0TEAM0001|@team>",
    "person": "<@U0ADA00001>",
    "labelled-person": "<@U0ADA00001|ada>",
    "unknown-person": "<@U0NOBODY99>",
    "channel-link": "<#C0GENERAL1|general>",
    "date": "<!date^1700000000^{date_num}^https://evil.example/|once>",
    "link": "<https://evil.example/?d=1>",
    "labelled-link": "<https://evil.example/|https://good.example/>",
    "mail": "<mailto:ada@evil.example|ada@evil.example>",
    "telephone": "<tel:+123456|call>",
    "script": "<javascript:alert(1)|x>",
    "slack-scheme": "<slack://user?team=T1|x>",
    "double-escaped": "&amp;lt;!channel&amp;gt;",
    "escaped": "&lt;!channel&gt;",
    "numeric-entity": "&#60;!channel&#62;",
    "half-entity": "&lt",
    "half-token": "<!chan",
    "closing-alone": "nel> <",
    "nested-token": "<https://a.example/<!here>>",
    "empty-token": "<> <@> <#> <!> <|x>",
    "token-over-lines": "<!chan\nnel>",
    "bare-here": "@here @channel @everyone @ada",
    "emoji-bomb": ":tada:" * 200,
    "marks": "*bold* _it_ ~gone~ `code` > quote",
    "quote-block": "&gt;&gt;&gt; all of\nthis",
    "workflow": "<!workflow^1|run>",
    "broken-date": "<!date^x^y^z|w>",
}
MARKUP_TEMPLATES: Final = {
    "raw": "what is {} for?",
    "code": "what is this?\n```\nprint('{}')\n```",
}


def generate_cases() -> Iterator[Case]:
    """Return the cases of the two categories."""
    fences = {
        name: mention_bot(text) for name, text in fill_templates(FENCES, FENCE_TEMPLATES).items()
    }
    yield from build_cases("fence", EntryPoint.TEXT, CaseOutcome.ANSWER, fences)
    raw = {
        name: mention_bot(text)
        for name, text in fill_templates(SLACK_MARKUP, MARKUP_TEMPLATES).items()
    }
    yield from build_cases("slack", EntryPoint.TEXT, CaseOutcome.ANSWER, raw)
    escaped = {
        name: mention_bot(f"I typed {escape_markup(text)} by hand")
        for name, text in SLACK_MARKUP.items()
    }
    yield from build_cases("slack", EntryPoint.TEXT, CaseOutcome.ANSWER, escaped, "typed-")
