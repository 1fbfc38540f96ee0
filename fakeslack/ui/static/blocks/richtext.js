/** Rendering of `rich_text` blocks; their text is literal and never parsed. */

import { codeBlock } from "./code.js";
import { el } from "../core/dom.js";
import { inline } from "./inline.js";
import { labelledCode } from "./mrkdwn.js";
import { full } from "../core/time.js";

const STYLES = ["bold", "italic", "strike", "underline", "highlight"];

function styled(node, style = {}) {
  const core = style.code && node.type === "text" ? { type: "code", text: node.text } : node;
  return STYLES.filter((name) => style[name]).reduceRight(
    (inner, type) => ({ type, children: [inner] }),
    core,
  );
}

const CORE = {
  text: (element) => ({ type: "text", text: element.text }),
  link: (element) => ({
    type: "link",
    url: element.url,
    label: element.text ?? null,
    code: element.style?.code,
  }),
  user: (element) => ({ type: "user", id: element.user_id }),
  usergroup: (element) => ({ type: "group", id: element.usergroup_id }),
  channel: (element) => ({ type: "channel", id: element.channel_id }),
  team: (element) => ({ type: "text", text: element.team_id }),
  broadcast: (element) => ({ type: "broadcast", range: element.range }),
  color: (element) => ({ type: "colour", value: element.value }),
  date: (element) => ({
    type: "date",
    seconds: element.timestamp,
    format: element.format,
    url: element.url,
    label: element.fallback ?? full(element.timestamp),
  }),
  emoji: (element) => ({ type: "emoji", name: element.name, unicode: fromCodes(element.unicode) }),
};

/** Decodes Slack's notation of an emoji as code points: "1f44d-1f3fb". */
function fromCodes(unicode) {
  if (!/^[0-9a-f]{2,6}(-[0-9a-f]{2,6})*$/i.test(unicode ?? "")) return null;
  const codes = unicode.split("-").map((code) => parseInt(code, 16));
  return codes.every((code) => code <= 0x10ffff) ? String.fromCodePoint(...codes) : null;
}

function linkInCode(node) {
  if (node.type !== "link" || !node.code) return node;
  return {
    type: "link",
    url: node.url,
    children: [{ type: "code", text: node.label ?? node.url }],
  };
}

/** Renders the inline elements of a section, quote or list item. */
function elements(list, names) {
  const nodes = (list ?? []).flatMap((element) => {
    const core = CORE[element.type]?.(element);
    return core ? [styled(linkInCode(core), element.style)] : [];
  });
  return inline(nodes, names);
}

const plain = (list) => (list ?? []).map((element) => element.text ?? element.url ?? "").join("");

function listed(part, names) {
  const ordered = part.style === "ordered";
  const attributes = {
    class: part.border ? "rich-list bordered" : "rich-list",
    "data-indent": Math.min(part.indent ?? 0, 8),
    start: ordered ? (part.offset ?? 0) + 1 : null,
  };
  const items = (part.elements ?? []).map((item) => el("li", {}, elements(item.elements, names)));
  return el(ordered ? "ol" : "ul", attributes, items);
}

/** Renders a code block; `names.labelled` reads a known language from its first line. */
function code(part, names) {
  const given = { text: plain(part.elements), language: part.language };
  const { text, language } =
    names.labelled && !part.language ? labelledCode(given.text) : given;
  return codeBlock(text, language);
}

const DRAW = {
  rich_text_section: (part, names) =>
    el("div", { class: "rich-section" }, elements(part.elements, names)),
  rich_text_list: listed,
  rich_text_quote: (part, names) =>
    el("blockquote", { class: part.border ? "bordered" : null }, elements(part.elements, names)),
  rich_text_preformatted: code,
};

/** Renders one `rich_text` block. */
export function richText(block, names) {
  const parts = (block.elements ?? []).map((part) => DRAW[part.type]?.(part, names));
  return el("div", { class: "block rich-text" }, parts);
}

/** Plain text of a `rich_text` block, for announcements. */
export function richWords(block) {
  const emoji = (part) => (part.type === "emoji" ? `:${part.name}:` : "");
  const words = (part) =>
    part.text ?? part.url ?? part.elements?.map(words).join("") ?? emoji(part);
  return (block.elements ?? []).map(words).join(" ");
}
