/** Rendering of `markdown` blocks: a subset of Markdown without HTML. */

import { codeBlock } from "./code.js";
import { el } from "../core/dom.js";
import { inline as draw } from "./inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s{0,3}> ?/;
const ITEM = /^(\s*)([-*+]|(\d{1,9})[.)])\s+(.*)$/;
const TASK = /^\[([ xX])\]\s+/;
const ROW = /^\s*\|.*\|\s*$/;
const RULED_ROW = /^\s*\|(?:\s*:?-+:?\s*\|)+\s*$/;

const SPANS = [
  [
    /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/y,
    (found) => ({ type: "code", text: found[2].replace(/^ (.+) $/, "$1") }),
  ],
  [
    /!?\[([^\]\n]{1,500})\]\(([^()\s]{1,2000})(?:\s+"[^"\n]*")?\)/y,
    (found) => ({ type: "link", url: found[2], children: inline(found[1]) }),
  ],
  [/<((?:https?:\/\/|mailto:)[^<>\s]+)>/y, (found) => ({ type: "link", url: found[1] })],
  [/https?:\/\/[^\s<>|]*[^\s<>|.,;:!?'")\]*_~]/y, (found) => ({ type: "link", url: found[0] })],
  [/<@([UW][A-Z0-9]+)>/y, (found) => ({ type: "user", id: found[1] })],
  [/<!(channel|here|everyone)>/y, (found) => ({ type: "broadcast", range: found[1] })],
  [/\*\*(?=\S)([^\n]{0,4000}?\S)\*\*/y, (found) => ({ type: "bold", children: inline(found[1]) })],
  [
    /__(?=\S)([^\n]{0,4000}?\S)__(?!\w)/y,
    (found) => ({ type: "bold", children: inline(found[1]) }),
  ],
  [/~~(?=\S)([^\n]{0,4000}?\S)~~/y, (found) => ({ type: "strike", children: inline(found[1]) })],
  [
    /\*(?![\s*])([^*\n]{0,4000}?[^\s*])\*/y,
    (found) => ({ type: "italic", children: inline(found[1]) }),
  ],
  [
    /_(?![\s_])([^_\n]{0,4000}?[^\s_])_(?!\w)/y,
    (found) => ({ type: "italic", children: inline(found[1]) }),
  ],
  [/\\([\\`*_{}[\]()#+.!~<>|-])/y, (found) => ({ type: "text", text: found[1] })],
  [/&(amp|lt|gt);/y, (found) => ({ type: "text", text: { amp: "&", lt: "<", gt: ">" }[found[1]] })],
];

const OPENERS = new Set("`![<h*_~\\&");

function span(text, at) {
  if (!OPENERS.has(text[at]) || (text[at] === "_" && /\w/.test(text[at - 1] ?? ""))) return null;
  for (const [pattern, build] of SPANS) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    const end = pattern.lastIndex;
    if (found) return { node: build(found), end };
  }
  return null;
}

/** Parses one paragraph into inline nodes. */
function inline(text) {
  const nodes = [];
  let plain = 0;
  for (let at = 0; at < text.length;) {
    const found = span(text, at);
    if (!found) {
      at += 1;
      continue;
    }
    if (at > plain) nodes.push({ type: "text", text: text.slice(plain, at) });
    nodes.push(found.node);
    at = plain = found.end;
  }
  if (plain < text.length) nodes.push({ type: "text", text: text.slice(plain) });
  return nodes;
}

/** Line cursor; each parser below consumes the lines of its block. */
class Lines {
  constructor(text) {
    this.all = text.split("\n");
    this.at = 0;
  }

  get now() {
    return this.all[this.at];
  }

  takeWhile(test) {
    const start = this.at;
    while (this.at < this.all.length && test(this.now)) this.at += 1;
    return this.all.slice(start, this.at);
  }
}

function fence(lines) {
  const [, ticks, name] = FENCE.exec(lines.now);
  lines.at += 1;
  const body = lines.takeWhile((line) => !line.trim().startsWith(ticks));
  lines.at += 1;
  return codeBlock(body.join("\n"), name);
}

function heading(lines, names) {
  const [, marks, text] = HEADING.exec(lines.now);
  lines.at += 1;
  return el(`h${Math.min(marks.length + 2, 6)}`, { class: "heading" }, draw(inline(text), names));
}

function rule(lines) {
  lines.at += 1;
  return el("hr");
}

function quote(lines, names) {
  const body = lines.takeWhile((line) => QUOTE.test(line)).map((line) => line.replace(QUOTE, ""));
  return el("blockquote", {}, draw(inline(body.join("\n")), names));
}

function list(lines, names) {
  const [, , , number] = ITEM.exec(lines.now);
  const items = lines
    .takeWhile((line) => ITEM.test(line))
    .map((line) => item(ITEM.exec(line), names));
  return el(number ? "ol" : "ul", { class: "rich-list", start: number ?? null }, items);
}

function item([, indent, , , text], names) {
  const task = TASK.exec(text);
  const done = task && task[1] !== " ";
  const box =
    task &&
    el("input", {
      type: "checkbox",
      disabled: true,
      checked: done,
      "aria-label": done ? "done" : "to do",
    });
  const attributes = {
    "data-indent": Math.min(Math.floor(indent.length / 2), 8),
    class: task ? "task" : null,
  };
  return el("li", attributes, box, draw(inline(task ? text.slice(task[0].length) : text), names));
}

const cells = (row) =>
  row
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

function table(lines, names) {
  const rows = lines.takeWhile((line) => ROW.test(line));
  const ruled = RULED_ROW.test(rows[1] ?? "");
  const body = rows
    .filter((_, index) => !(ruled && index === 1))
    .map((row, index) =>
      el(
        "tr",
        {},
        cells(row).map((cell) =>
          el(ruled && index === 0 ? "th" : "td", {}, draw(inline(cell), names)),
        ),
      ),
    );
  return el(
    "div",
    { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
    el("table", {}, el("tbody", {}, body)),
  );
}

const READERS = [
  [FENCE, fence],
  [HEADING, heading],
  [RULE, rule],
  [QUOTE, quote],
  [ITEM, list],
  [ROW, table],
];

const starts = (line) => READERS.find(([pattern]) => pattern.test(line));

function paragraph(lines, names) {
  const body = lines.takeWhile((line) => line.trim() && !starts(line));
  return el("p", {}, draw(inline(body.join("\n")), names));
}

/** Renders one `markdown` block. */
export function markdown(text, names) {
  const lines = new Lines(text);
  const parts = [];
  while (lines.at < lines.all.length) {
    if (!lines.now.trim()) lines.at += 1;
    else parts.push((starts(lines.now)?.[1] ?? paragraph)(lines, names));
  }
  return el("div", { class: "block markdown" }, parts);
}
