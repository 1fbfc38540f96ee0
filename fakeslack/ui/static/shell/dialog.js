/** Confirmation dialogs. */

import { el } from "../core/dom.js";

/** Shows a dialog; resolves to whether the person confirmed it. */
export function ask({ title, body, yes, no = "Cancel", danger = false }) {
  const agree = el(
    "button",
    { type: "button", class: danger ? "block-button danger" : "block-button primary" },
    yes,
  );
  const refuse = el("button", { type: "button", class: "block-button" }, no);
  const box = el(
    "dialog",
    { class: "dialog", "aria-label": title },
    el("h2", {}, title),
    el("div", { class: "dialog-body" }, body),
    el("div", { class: "dialog-buttons" }, refuse, agree),
  );
  document.body.append(box);
  return new Promise((settle) => {
    const end = (answer) => {
      box.close();
      box.remove();
      settle(answer);
    };
    agree.addEventListener("click", () => end(true));
    refuse.addEventListener("click", () => end(false));
    box.addEventListener("cancel", (event) => {
      event.preventDefault();
      end(false);
    });
    box.addEventListener("click", (event) => event.target === box && end(false));
    box.showModal();
    agree.focus();
  });
}
