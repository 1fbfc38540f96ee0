/** Pickers beside a button, of emoji and menu items: arrows move, Enter chooses, Escape closes. */

import { el } from "../core/dom.js";
import { character, PICKED } from "../blocks/emoji.js";

const COLUMNS = 8;
const MARGIN_PX = 8;

function put(box, beside) {
  const at = beside.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.min(Math.max(MARGIN_PX, at.right - width), innerWidth - width - MARGIN_PX);
  const above = at.top - height - 4;
  box.style.left = `${left}px`;
  box.style.top = `${above > MARGIN_PX ? above : Math.min(at.bottom + 4, innerHeight - height - MARGIN_PX)}px`;
}

function move(event, box, columns) {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...box.querySelectorAll("button")];
  const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
  next.focus();
}

/** Opens the picker beside a button; `chosen` receives the short name. */
export function pickEmoji(beside, chosen) {
  const buttons = PICKED.map((name) =>
    el(
      "button",
      { type: "button", "aria-label": name, title: `:${name}:`, "data-name": name },
      character(name),
    ),
  );
  const box = el(
    "div",
    { class: "picker", popover: "auto", role: "dialog", "aria-label": "Emoji" },
    buttons,
  );
  open(beside, box, COLUMNS, chosen);
}

/** Opens a menu of `[value, label]` items; `chosen` receives the value. */
export function pickItem(beside, title, items, chosen) {
  const buttons = items.map(([value, label]) =>
    el("button", { type: "button", role: "menuitem", "data-name": value }, label),
  );
  const box = el(
    "div",
    { class: "picker shortcuts", popover: "auto", role: "menu", "aria-label": title },
    buttons,
  );
  open(beside, box, 1, chosen);
}

function open(beside, box, columns, chosen) {
  box.addEventListener("keydown", (event) => move(event, box, columns));
  box.addEventListener("click", (event) => {
    const name = event.target.closest("[data-name]")?.dataset.name;
    if (!name) return;
    box.hidePopover();
    chosen(name);
  });
  box.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    if (document.activeElement === document.body) beside.focus();
    beside.removeAttribute("aria-expanded");
    box.remove();
  });
  beside.setAttribute("aria-expanded", "true"); // keeps the buttons visible
  // Beside an open dialog, which makes the rest of the page inert.
  (beside.closest("dialog") ?? document.body).append(box);
  box.showPopover();
  put(box, beside);
  box.querySelector("button").focus();
}
