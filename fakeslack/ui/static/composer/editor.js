/** Message editor in a row: Enter saves, Escape cancels. */

import { grow } from "./composer.js";
import { el } from "../core/dom.js";
import { unescape } from "../blocks/mrkdwn.js";

/** Converts Slack's stored text to text as typed. */
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

/** Replaces a row's content by an editor; `save(text)` may throw a Refusal. */
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
