/** Rendering of parsed inline text: styles, links, mentions, emoji, quotes and code. */

import { codeBlock } from "./code.js";
import { el } from "../core/dom.js";
import { character } from "./emoji.js";
import { formatDate } from "../core/time.js";

const STYLE_TAGS = { bold: "strong", italic: "em", strike: "s", underline: "u", highlight: "mark" };
const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** A link with a safe URL scheme; any other URL stays plain text. */
export function link(url, ...label) {
  const shown = label.length ? label : [url.replace(/^mailto:/, "")];
  if (!URL.canParse(url) || !SAFE_SCHEMES.has(new URL(url).protocol)) return el("span", {}, shown);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, shown);
}

function mention(id, names, label) {
  const person = names.person(id);
  const self = id === names.me;
  return el(
    "span",
    { class: self ? "mention self" : "mention" },
    `@${person?.name ?? label ?? id}`,
  );
}

function channel(id, names, label) {
  const name = names.channel(id)?.name ?? label ?? id;
  return names.channel(id)
    ? el(
        "button",
        { class: "mention", type: "button", "data-action": "go", "data-channel": id },
        `#${name}`,
      )
    : el("span", { class: "mention" }, `#${name}`);
}

function emoji(node) {
  const shown = node.unicode ?? character(node.name);
  if (!shown) return `:${node.name}:`;
  return el(
    "span",
    { class: "emoji", role: "img", "aria-label": node.name, title: `:${node.name}:` },
    shown,
  );
}

/** A date in the reader's own time, or its fallback. */
function date(node) {
  const shown = formatDate(node.seconds, node.format) ?? node.label ?? "";
  return node.url ? link(node.url, shown) : el("span", { title: node.label }, shown);
}

const DRAW = {
  text: (node) => node.text,
  code: (node) => el("code", { class: "inline" }, node.text),
  pre: (node) => codeBlock(node.text, node.language),
  quote: (node, names) => el("blockquote", {}, inline(node.children, names)),
  link: (node, names) =>
    link(
      node.url,
      ...(node.children ? inline(node.children, names) : node.label ? [node.label] : []),
    ),
  user: (node, names) => mention(node.id, names, node.label),
  group: (node) => el("span", { class: "mention" }, `@${node.label ?? node.id}`),
  channel: (node, names) => channel(node.id, names, node.label),
  date,
  broadcast: (node) => el("span", { class: "mention self" }, `@${node.range}`),
  emoji,
  colour: (node) => el("code", { class: "inline" }, node.value),
};

/** Renders inline nodes as DOM nodes and strings; skips unknown types. */
export function inline(nodes, names) {
  return nodes.map((node) => {
    const tag = STYLE_TAGS[node.type];
    return tag
      ? el(tag, {}, inline(node.children, names))
      : (DRAW[node.type]?.(node, names) ?? null);
  });
}
