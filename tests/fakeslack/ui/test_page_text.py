"""Message rendering of the page: mrkdwn, rich text, links and hostile text."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from testing.browser import BrowserPage
from testing.workspace import ADA, GENERAL, LIN, STARCHAT, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


Json = dict[str, Any]


HOSTILE = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    '"><svg onload=window.owned=1>',
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<a href='javascript:window.owned=1'>press</a>",
    "</textarea></code></pre><style>*{display:none}</style>",
    "{{constructor.constructor('window.owned=1')()}}",
    "${window.owned = 1}",
    "&lt;img src=x onerror=window.owned=1&gt;",
)


HOSTILE_ADDRESSES = (
    "javascript:window.owned=1",
    "JaVaScRiPt:window.owned=1//https://",
    "data:text/html,<script>owned=1</script>",
    "vbscript:owned",
    "file:///etc/passwd",
    "//example.org/x",
    "https://[",
)


ELEMENTS = "script, iframe, object, embed, img, style, link, form, [onerror], [onload], [onclick]"


def rich_text_block(*elements: Json) -> list[Json]:
    """Return a `rich_text` block of one section with these elements."""
    section = {"type": "rich_text_section", "elements": list(elements)}
    return [{"type": "rich_text", "elements": [section]}]


def blocks_with_text(text: str) -> list[Json]:
    """Return blocks with the same text in every place that shows text."""
    mrkdwn, plain = {"type": "mrkdwn", "text": text}, {"type": "plain_text", "text": text}
    literal = {"type": "text", "text": text}
    return [
        *rich_text_block(literal, {"type": "link", "url": "https://example.org", "text": text}),
        {
            "type": "rich_text",
            "elements": [
                {"type": "rich_text_preformatted", "language": text, "elements": [literal]},
                {"type": "rich_text_quote", "elements": [literal]},
                {
                    "type": "rich_text_list",
                    "style": "bullet",
                    "elements": [{"type": "rich_text_section", "elements": [literal]}],
                },
            ],
        },
        {"type": "section", "text": mrkdwn, "fields": [plain, mrkdwn]},
        {"type": "header", "text": plain},
        {"type": "context", "elements": [mrkdwn, plain]},
        {"type": "markdown", "text": f"# {text}\n- {text}\n\n```{text}\n{text}\n```\n> {text}"},
        {"type": "alert", "level": "warning", "text": mrkdwn},
        {
            "type": "actions",
            "elements": [{"type": "button", "text": plain, "action_id": text, "value": text}],
        },
        {"type": "image", "image_url": "https://example.org/x.png", "alt_text": text},
        {"type": f"unknown {text}"},
    ]


def test_markup_in_messages_is_shown_as_text(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Markup in any field of a message creates no element."""
    for text in HOSTILE:
        workspace.post_message(LIN, channel_id, text)
        workspace.post_raw(
            channel_id, text, user=STARCHAT, blocks=blocks_with_text(text), username=text
        )
        attachment = {"title": text, "title_link": "javascript:owned=1", "text": text}
        workspace.post_raw(channel_id, text, user=STARCHAT, attachments=[attachment])
    ada = open_reader(workspace).open_channel(channel_id)
    rows = ada.channel_column.locator("article.message")

    expect(rows).to_have_count(3 * len(HOSTILE))
    for place, text in enumerate(HOSTILE[:-1]):
        expect(rows.nth(3 * place).locator(".block")).to_have_text(text)
        expect(rows.nth(3 * place + 1).locator("pre").first).to_have_text(text)
        expect(rows.nth(3 * place + 1).locator(".who")).to_have_text(text)
    assert rows.locator(ELEMENTS).count() == 0
    assert ada.run_script("() => window.owned") is None


def test_only_safe_urls_become_links(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """URLs other than http, https and mailto stay text."""
    for address in HOSTILE_ADDRESSES:
        workspace.post_raw(channel_id, f"<{address}|press>", user=STARCHAT)
        link = {"type": "link", "url": address, "text": "press"}
        press = {"type": "plain_text", "text": "press"}
        button = {"type": "button", "text": press, "action_id": "a", "url": address}
        actions = {"type": "actions", "elements": [button]}
        workspace.post_raw(channel_id, "", user=STARCHAT, blocks=[*rich_text_block(link), actions])
        markdown = {"type": "markdown", "text": f"[press]({address}) <{address}>"}
        workspace.post_raw(channel_id, "", user=STARCHAT, blocks=[markdown])
    workspace.post_raw(channel_id, "<https://example.org|safe>", user=STARCHAT)
    ada = open_reader(workspace).open_channel(channel_id)

    expect(ada.find_message("safe").locator("a")).to_have_attribute("rel", "noopener noreferrer")
    buttons = ada.channel_column.get_by_role("button", name="press")
    for place in range(buttons.count()):
        buttons.nth(place).click()
    links = ada.channel_column.locator("article.message a")
    addresses = {links.nth(n).get_attribute("href") for n in range(links.count())}
    assert addresses == {"https://example.org"}
    assert len(ada.context.pages) == 1
    assert ada.run_script("() => window.owned") is None


MRKDWN = (
    ("*bold* _it_ ~no~", "<strong>bold</strong> <em>it</em> <s>no</s>"),
    ("*a _b_ c*", "<strong>a <em>b</em> c</strong>"),
    ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
    ("* not bold* and *open", "* not bold* and *open"),
    ("`*code*` *x `y*` z*", "<code>*code*</code> <strong>x <code>y*</code> z</strong>"),
    ("`a &lt; b &amp;&amp; c`", "<code>a &lt; b &amp;&amp; c</code>"),
    ("&gt; quoted\nplain", "<blockquote>quoted</blockquote>plain"),
    ("&gt;&gt;&gt; all\nof it", "<blockquote>all\nof it</blockquote>"),
    ("<https://a.example/x?y=1&amp;z=2|label>", "<a>label</a>"),
    ("see https://a.example/x.", "see <a>https://a.example/x</a>."),
    ("<mailto:ada@a.example|write>", "<a>write</a>"),
    ("<@U0LIN00001> <@U0NOBODY|gone>", "<span>@Lin</span> <span>@gone</span>"),
    ("<!here> <!subteam^S1|team>", "<span>@here</span> <span>@team</span>"),
    ("<#C0PYTHON01|python>", "<button>#python</button>"),
    ("<!date^1700000000^{date_num}|in November>", "<span>in November</span>"),
    ("<!date^1700000000^on {date}|then>", "<span>on November 14, 2023</span>"),
    ("<!date^1700000000^{date_short_pretty}|then>", "<span>Nov 14</span>"),
    ("<!date^1700000000^at {date_short_pretty}^https://a.example|then>", "<a>at Nov 14</a>"),
    ("<!date^soon^{time}|soon>", "soon"),
    ("<T> &lt;T&gt;", "&lt;T&gt; &lt;T&gt;"),
    (":tada: :no_such_one: 10:30:00", "<span>🎉</span> :no_such_one: 10:30:00"),
    ("an ``` open fence", "an ``` open fence"),
)


@pytest.mark.parametrize(("text", "shown"), MRKDWN)
def test_mrkdwn_is_rendered_as_in_slack(module_reader: BrowserPage, text: str, shown: str) -> None:
    """Styles, quotes, links, mentions, channels and emoji are rendered; all else is literal."""
    drawn = module_reader.run_script(
        """async (text) => {
            const { parse } = await import("/page/blocks/mrkdwn.js");
            const { inline } = await import("/page/blocks/inline.js");
            const { el } = await import("/page/core/dom.js");
            const names = {
                me: "U0ADA00001",
                person: (id) => ({ U0LIN00001: { name: "Lin" } })[id],
                channel: (id) => ({ C0PYTHON01: { name: "python" } })[id],
            };
            const node = el("div", {}, inline(parse(text), names));
            for (const inner of node.querySelectorAll("*"))
                for (const { name } of [...inner.attributes]) inner.removeAttribute(name);
            return node.innerHTML;
        }""",
        text,
    )
    assert drawn == shown


def test_rich_text_is_rendered_completely(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """Lists keep numbers and depth, styles nest, and every element type is rendered."""
    styles = {"bold": True, "italic": True, "strike": True}
    item = {"type": "rich_text_section", "elements": [{"type": "text", "text": "item"}]}
    ordered = {"type": "rich_text_list", "style": "ordered", "offset": 4, "elements": [item, item]}
    nested = {"type": "rich_text_list", "style": "bullet", "indent": 2, "elements": [item]}
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "all", "style": styles},
            {"type": "text", "text": "<@U0LIN00001> *literal*"},
            {"type": "text", "text": "code", "style": {"code": True}},
            {"type": "user", "user_id": ADA},
            {"type": "channel", "channel_id": GENERAL},
            {"type": "broadcast", "range": "here"},
            {"type": "emoji", "name": "thing", "unicode": "1f44d-1f3fb"},
            {"type": "link", "url": "https://example.org", "text": "label"},
            {"type": "date", "timestamp": 1700000000, "format": "{date}", "fallback": "then"},
            {"type": "date", "timestamp": 1700000000, "format": "{ago}", "fallback": "in 2023"},
            {"type": "color", "value": "#ff0000"},
        ],
    }
    blocks = [{"type": "rich_text", "elements": [section, ordered, nested]}]
    workspace.post_raw(channel_id, "", user=STARCHAT, blocks=blocks)
    ada = open_reader(workspace).open_channel(channel_id)
    row = ada.find_message("literal")

    expect(row.locator("strong em s")).to_have_text("all")
    expect(row).to_contain_text("<@U0LIN00001> *literal*")
    expect(row.locator("code.inline")).to_have_text(["code", "#ff0000"])
    expect(row.locator(".mention")).to_have_text(["@Ada", "#general", "@here"])
    expect(row.locator(".emoji")).to_have_text("👍🏻")
    expect(row).to_contain_text("November 14, 2023in 2023")
    expect(row.locator("ol")).to_have_attribute("start", "5")
    expect(row.locator("ul.rich-list")).to_have_attribute("data-indent", "2")


def test_pings_and_unfurls_of_the_bot_are_marked(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A red badge lists each ping and unfurl of a bot's message."""
    workspace.post_raw(
        channel_id, "careless <!channel> <@U0LIN00001> https://example.org", user=STARCHAT
    )
    ada = open_reader(workspace).open_channel(channel_id)
    badges = ada.find_message("careless").locator(".badge-warning")

    expect(badges).to_have_text(["Pings @channel, @Lin", "Unfurls https://example.org"])


MARKS = st.text(st.sampled_from("*_~`<>|@#!:&;ab \n>-1.[]()hU0"), max_size=80)


@given(before=MARKS, after=MARKS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_update_in_place_equals_a_new_rendering(
    module_reader: BrowserPage, before: str, after: str
) -> None:
    """Any message updated in place equals the same message drawn from scratch."""
    same = module_reader.run_script(
        """async ([before, after]) => {
            const { content } = await import("/page/thread/message.js");
            const { morph } = await import("/page/core/morph.js");
            const { el } = await import("/page/core/dom.js");
            const names = { person: () => null, channel: () => null, pressed: () => null };
            const draw = (text) => {
                const section = { type: "section", text: { type: "mrkdwn", text } };
                const blocks = [{ type: "markdown", text }, section];
                return el("div", {}, content({ text }, names), content({ text, blocks }, names));
            };
            const box = el("section", {}, draw(before));
            morph(box.firstChild, draw(after));
            return box.firstChild.isEqualNode(draw(after));
        }""",
        [before, after],
    )
    assert same
