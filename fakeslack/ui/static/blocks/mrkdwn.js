/** Parser of Slack's mrkdwn: text → tree of inline nodes; independent of the page. */

import { character } from "./emoji.js";
import { KNOWN } from "./languages.js";

const ESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const STYLES = { "*": "bold", _: "italic", "~": "strike" };
const SPAN = /`[^`\n]+`|<[^<>\n]+>/g;
const CODE = /`([^`\n]+)`/y;
const ENTITY = /<([^<>\n]+)>/y;
const EMOJI = /:([a-z0-9_+'-]+(?:::skin-tone-\d)?):/y;
const URL_START = /https?:\/\/[^\s<>|`\u0001]+/y;
const LABELLED = /^([A-Za-z0-9+#-]{1,15})\n/;
const FENCE = "```";

/** Decodes Slack's three escapes: `&amp;`, `&lt;` and `&gt;`. */
export const unescape = (text) => text.replace(/&(?:amp|lt|gt);/g, (found) => ESCAPED[found]);

const word = (letter) => letter !== undefined && /[\p{L}\p{N}]/u.test(letter);
const space = (letter) => letter === undefined || /\s/.test(letter);

/** Moves a known language from the first line of code to its label. */
export function labelledCode(code) {
  const label = LABELLED.exec(code);
  const known = label && KNOWN.has(label[1].toLowerCase());
  return known
    ? { text: code.slice(label[0].length), language: label[1].toLowerCase() }
    : { text: code, language: null };
}

/** Parses code between fences; `labelled` reads a known language from its first line. */
function fenced(raw, labelled) {
  const { text, language } = labelled ? labelledCode(raw) : { text: raw, language: null };
  const body = language ? text : text.replace(/^\n/, "");
  return { type: "pre", text: unescape(unlinked(body.replace(/\n$/, ""))), language };
}

/** Replaces `<url>` and `<url|label>` in code, where Slack shows the plain text. */
const unlinked = (text) =>
  text.replace(
    /<((?:https?:\/\/|mailto:)[^<>|\n]+)(?:\|([^<>\n]*))?>/g,
    (_, url, label) => label ?? url,
  );

/** Parses `!date^seconds^format^link`; without a time or a format it is its fallback. */
function date(target, label) {
  const [, seconds, format, url] = target.split("^");
  if (!/^\d{1,12}$/.test(seconds) || !format) return { type: "text", text: label ?? "" };
  return { type: "date", seconds, format, url: url ? unescape(url) : null, label };
}

function reference(body) {
  const [target, ...rest] = body.split("|");
  const label = rest.length ? unescape(rest.join("|")) : null;
  if (/^@[UW][A-Z0-9]+$/.test(target)) return { type: "user", id: target.slice(1), label };
  if (/^#[CG][A-Z0-9]+$/.test(target)) return { type: "channel", id: target.slice(1), label };
  if (/^!(channel|here|everyone)$/.test(target))
    return { type: "broadcast", range: target.slice(1) };
  if (/^!subteam\^/.test(target)) return { type: "group", id: target.slice(9), label };
  if (/^!date\^/.test(target)) return date(target, label);
  if (/^(https?:|mailto:)/i.test(target)) return { type: "link", url: unescape(target), label };
  return null;
}

const starters = {
  "`": (text, at) =>
    matched(CODE, text, at, (found) => ({ type: "code", text: unescape(unlinked(found[1])) })),
  "<": (text, at) => matched(ENTITY, text, at, (found) => reference(found[1])),
  ":": (text, at) =>
    matched(EMOJI, text, at, (found) =>
      character(found[1]) ? { type: "emoji", name: found[1] } : null,
    ),
  h: (text, at) => (word(text[at - 1]) ? null : bare(text, at)),
};

function matched(pattern, text, at, build) {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  const node = found && build(found);
  return node ? { node, end: pattern.lastIndex } : null;
}

function bare(text, at) {
  URL_START.lastIndex = at;
  const found = URL_START.exec(text);
  if (!found) return null;
  const url = found[0].replace(/[.,;:!?'")\]*_~]+$/, "");
  return { node: { type: "link", url: unescape(url), label: null }, end: at + url.length };
}

/** Parses a styled span; `mask` hides code and entities, so that no style starts in them. */
function styled(text, mask, at, spent) {
  const mark = text[at];
  if (spent.has(mark) || word(mask[at - 1]) || space(mask[at + 1])) return null;
  for (let end = mask.indexOf(mark, at + 2); end > 0; end = mask.indexOf(mark, end + 1)) {
    if (space(mask[end - 1]) || word(mask[end + 1])) continue;
    const children = inline(text.slice(at + 1, end), new Set([...spent, mark]));
    return { node: { type: STYLES[mark], children }, end: end + 1 };
  }
  spent.add(mark);
  return null;
}

/** Parses one line's styles, links, mentions and emoji; `spent` marks start no style. */
export function inline(text, spent = new Set()) {
  const mask = text.replace(SPAN, (found) => "\u0001".repeat(found.length));
  const nodes = [];
  const tried = new Set(spent);
  let plain = 0;
  for (let at = 0; at < text.length;) {
    const mark = text[at] in STYLES;
    const found = mark ? styled(text, mask, at, tried) : starters[text[at]]?.(text, at);
    if (!found) {
      at += 1;
      continue;
    }
    if (at > plain) nodes.push({ type: "text", text: unescape(text.slice(plain, at)) });
    nodes.push(found.node);
    at = plain = found.end;
  }
  if (plain < text.length) nodes.push({ type: "text", text: unescape(text.slice(plain)) });
  return nodes;
}

function joined(lines) {
  return lines.flatMap((line, index) => [
    ...(index ? [{ type: "text", text: "\n" }] : []),
    ...inline(line),
  ]);
}

const QUOTED = /^(?:&gt;|>) ?/;
const QUOTED_TO_THE_END = /^(?:&gt;|>){3} ?/;

/** Parses text without fences: quotes line by line, all else inline. */
function lines(text) {
  const nodes = [];
  let plain = [];
  let quoted = [];
  const flush = () => {
    if (plain.length) nodes.push(...joined(plain));
    if (quoted.length) nodes.push({ type: "quote", children: joined(quoted) });
    plain = [];
    quoted = [];
  };
  const all = text.split("\n");
  for (const [index, line] of all.entries()) {
    if (QUOTED_TO_THE_END.test(line)) {
      flush();
      quoted = [line.replace(QUOTED_TO_THE_END, ""), ...all.slice(index + 1)];
      break;
    }
    const quote = QUOTED.test(line);
    if (quote ? plain.length : quoted.length) flush();
    (quote ? quoted : plain).push(quote ? line.replace(QUOTED, "") : line);
  }
  flush();
  return nodes;
}

/** Parses a mrkdwn text; `labelled` lets a fence's first line name its language. */
export function parse(text, { labelled = false } = {}) {
  const nodes = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf(FENCE, at);
    const close = open < 0 ? -1 : text.indexOf(FENCE, open + FENCE.length + 1);
    if (close < 0) break;
    const before = text.slice(at, open).replace(/\n$/, "");
    if (before) nodes.push(...lines(before));
    nodes.push(fenced(text.slice(open + FENCE.length, close), labelled));
    at = close + FENCE.length;
  }
  const rest = at ? text.slice(at).replace(/^\n/, "") : text;
  if (rest) nodes.push(...lines(rest));
  return nodes;
}
