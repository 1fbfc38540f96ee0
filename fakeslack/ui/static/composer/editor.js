/** Edits an own message in its row: Enter saves, Escape leaves it as it was. */

import { grow } from "./composer.js";
import { el } from "../core/dom.js";
import { unescape } from "../blocks/mrkdwn.js";

/** Slack's text as the person typed it. */
export function typed(text, names) {
  return unescape(
    text
      .replace(/<@([UW][A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `@${names.person(id)?.name ?? id}`)
      .replace(
        /<#([CG][A-Z0-9]+)(?:\|([^>]*))?>/g,
        (_, id, label) => `#${names.channel(id)?.name ?? label ?? id}`,
      )
      .replace(/<!(channel|here|everyone)>/g, "@$1")
      .replace(/<((?:https?:\/\/|mailto:)[^|>]+)(?:\|[^>]*)?>/g, "$1"),
  );
}

/** Puts an editor in place of a row's content; `save(text)` may throw a Refusal. */
export function edit(row, message, { names, save, leave }) {
  const field = el("textarea", { rows: 1, "aria-label": "Edit message" });
  field.value = typed(message.text ?? "", names);
  const error = el("p", { class: "composer-error", role: "alert", hidden: true });
  const finish = async () => {
    if (!field.value.trim()) return;
    try {
      await save(field.value);
    } catch (refusal) {
      error.textContent = `Not saved: ${refusal.message}`;
      error.hidden = false;
    }
  };
  field.addEventListener("input", () => grow(field));
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") leave();
    else if (event.key === "Enter" && !event.shiftKey) finish();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const box = el(
    "div",
    { class: "editor" },
    field,
    el(
      "div",
      { class: "editor-buttons" },
      el("button", { type: "button", class: "block-button", on: { click: leave } }, "Cancel"),
      el(
        "button",
        { type: "button", class: "block-button primary", on: { click: finish } },
        "Save",
      ),
    ),
    error,
  );
  row.classList.add("editing");
  row.querySelector(".tools")?.remove();
  row.querySelector(".content").replaceWith(box);
  requestAnimationFrame(() => {
    grow(field);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  });
}
