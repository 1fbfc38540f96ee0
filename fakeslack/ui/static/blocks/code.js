/** Draws code: label, copy button, colours; the text inside is the code, byte for byte. */

import { el } from "../core/dom.js";
import { pieces } from "./highlight.js";
import { icon } from "../core/icons.js";
import { language } from "./languages.js";

const SHOWN_FOR = 1600;

/** A button that copies `text`, or where there is none the code of the block around it. */
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
    el("span", { class: "unsaid" }, icon("copy"), "Copy"),
    el("span", { class: "said" }, icon("check"), "Copied"),
  );
}

/** A block of code that scrolls sideways and can be copied. */
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

/** Without a secure context there is no clipboard object; a copy event still carries exact text. */
function copyByEvent(text) {
  const put = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", put, { once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", put);
}

/** Puts text on the clipboard as it is. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByEvent(text);
  }
}

/** Copies what a copy button is for, and says so on the button. */
export async function copyFrom(button) {
  await copyText(button.dataset.text ?? button.closest("figure").querySelector("code").textContent);
  button.dataset.copied = "yes";
  setTimeout(() => delete button.dataset.copied, SHOWN_FOR);
}
