/** Says a sentence at the foot of the page for a moment. */

import { el } from "../core/dom.js";

const LASTS = 5_000;

/** Shows the sentence, also to screen readers. */
export function notice(sentence) {
  const note = el("div", { class: "notice", role: "alert" }, sentence);
  document.body.append(note);
  setTimeout(() => note.remove(), LASTS);
}
