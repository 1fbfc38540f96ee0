/** Draws code: label, copy button, colours; the text inside is the code, byte for byte. */

import { el } from "../core/dom.js";
import { pieces } from "./highlight.js";
import { icon } from "../core/icons.js";
import { language } from "./languages.js";

const CONFIRMATION_MS = 1600;

/** A button that copies `text`, or the surrounding code block if `text` is null. */
export function copyButton(what, text = null) {
  return el(
    "button",
    {
      type: "button",
      class: "copy",
      "data-action": "copy",
      "data-text": text,
      "aria-label": `Copy ${what}`,
    },
    el("span", { class: "copy-label" }, icon("copy"), "Copy"),
    el("span", { class: "copied-label" }, icon("check"), "Copied"),
  );
}

/** A code block with horizontal scrolling and a copy button. */
export function codeBlock(code, name) {
  const label = language(name)?.label ?? name ?? "Code";
  const body = pieces(code, name).map((piece) =>
    piece.kind ? el("span", { class: `hl-${piece.kind}` }, piece.text) : piece.text,
  );
  return el(
    "figure",
    { class: "code", "data-language": name || null },
    el("figcaption", {}, el("span", { class: "language" }, label), copyButton(`${label} code`)),
    el("pre", { tabindex: 0, role: "region", "aria-label": `${label} code` }, el("code", {}, body)),
  );
}

/** Copies by a copy event, because insecure contexts have no clipboard object. */
function copyByEvent(text) {
  const put = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", put, { once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", put);
}

/** Copies text to the clipboard unchanged. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByEvent(text);
  }
}

/** Copies the text of a copy button and confirms it on the button. */
export async function copyFrom(button) {
  await copyText(button.dataset.text ?? button.closest("figure").querySelector("code").textContent);
  button.dataset.copied = "yes";
  setTimeout(() => delete button.dataset.copied, CONFIRMATION_MS);
}
