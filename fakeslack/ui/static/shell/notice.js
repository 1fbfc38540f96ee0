/** Short notices at the bottom of the page. */

import { el } from "../core/dom.js";

const DURATION_MS = 5_000;

/** Shows a sentence for a few seconds and announces it to screen readers. */
export function notice(sentence) {
  const note = el("div", { class: "notice", role: "alert" }, sentence);
  // Within an open dialog: the rest of the page lies behind it.
  (document.querySelector("dialog[open]") ?? document.body).append(note);
  setTimeout(() => note.remove(), DURATION_MS);
}
