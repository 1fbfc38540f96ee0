/** Syntax highlighting: splits code into pieces that join to the same code. */

import { language } from "./languages.js";

const NUMBER = String.raw`\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)[a-zA-Z\d_]*`;
const WORD = String.raw`[\p{L}_$][\p{L}\p{N}_$]*`;
const ORDER = ["comment", "meta", "property", "regex", "string", "variable"];
const MAX_CHARACTERS = 60_000;

const patterns = new WeakMap();

function pattern(spec) {
  if (!patterns.has(spec)) {
    const kinds = ORDER.filter((kind) => spec[kind]).map((kind) => `(?<${kind}>${spec[kind]})`);
    // Named groups count as well in the number of a back reference.
    const shift = kinds.findIndex((kind) => kind.startsWith("(?<string>")) + 1;
    const source = [...kinds, `(?<number>${spec.number ?? NUMBER})`, `(?<word>${WORD})`].join("|");
    patterns.set(spec, new RegExp(source.replaceAll("\\1", `\\${shift + 1}`), "gmu"));
  }
  return patterns.get(spec);
}

function wordKind(spec, text, next) {
  const key = spec.anyCase ? text.toLowerCase() : text;
  if (spec.keyword?.has(key)) return "keyword";
  if (spec.literal?.has(key)) return "literal";
  if (next === "(") return "function";
  if (spec.builtin?.has(key)) return "builtin";
  return /^\p{Lu}.*\p{Ll}/u.test(text) ? "type" : null;
}

function* scanned(code, spec) {
  let at = 0;
  for (const found of code.matchAll(pattern(spec))) {
    if (!found[0]) continue;
    if (found.index > at) yield { kind: null, text: code.slice(at, found.index) };
    at = found.index + found[0].length;
    const named = Object.entries(found.groups).find(([, text]) => text !== undefined)[0];
    const kind = named === "word" ? wordKind(spec, found[0], code[at]) : named;
    yield { kind: kind === "regex" ? "string" : kind, text: found[0] };
  }
  if (at < code.length) yield { kind: null, text: code.slice(at) };
}

const DIFF = [
  [/^(?:\+\+\+|---|diff |index )/, "meta"],
  [/^@@/, "variable"],
  [/^\+/, "added"],
  [/^-/, "removed"],
];

function* byLine(code) {
  for (const text of code.split(/(?<=\n)/)) {
    yield { kind: DIFF.find(([start]) => start.test(text))?.[1] ?? null, text };
  }
}

const TAG = /(<!--[\s\S]*?(?:-->|$)|<[/!?]?[A-Za-z][^<>]*>?)/;
const IN_TAG = /("[^"]*"?|'[^']*'?|<[/!?]?[\w:-]+|[/?]?>$|[\w:@.-]+(?==))/;
const TAG_KINDS = [
  [/^["']/, "string"],
  [/^<|>$/, "keyword"],
  [/^[\w:@.-]+$/, "property"],
];

function* byTag(code) {
  for (const [index, part] of code.split(TAG).entries()) {
    if (index % 2 === 0) yield { kind: null, text: part };
    else if (part.startsWith("<!--")) yield { kind: "comment", text: part };
    else yield* withinTag(part);
  }
}

function* withinTag(tag) {
  for (const [index, text] of tag.split(IN_TAG).entries()) {
    const kind = index % 2 ? TAG_KINDS.find(([start]) => start.test(text))?.[1] : null;
    yield { kind: kind ?? null, text };
  }
}

/** Pieces `{kind, text}` of `code`; a null kind is plain text, as is an unknown language. */
export function pieces(code, name) {
  const spec = language(name)?.spec;
  if (!spec || code.length > MAX_CHARACTERS) return [{ kind: null, text: code }];
  const found = spec.lines ? byLine(code) : spec.tags ? byTag(code) : scanned(code, spec);
  return [...found].filter((piece) => piece.text);
}
