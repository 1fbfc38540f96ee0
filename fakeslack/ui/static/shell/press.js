/** Presses and choices in blocks: confirmation, and the request to the app. */

import { api } from "../core/api.js";
import { choice, choices, listRows } from "../blocks/fields.js";
import { ask } from "./dialog.js";

/** The message whose row contains an element, or undefined. */
export function messageOf(page, node) {
  const row = node.closest("[data-ts]");
  const feed = node.closest(".thread") ? page.store.thread : page.store.feed;
  return row && feed?.messages.get(row.dataset.ts);
}

/** Request fields that identify a message. */
export const messageFields = (page, message) => ({
  user: page.store.me,
  channel: page.store.feed.channel,
  ts: message.ts,
});

async function askForConfirmation(data) {
  if (!data.confirm) return true;
  const said = JSON.parse(data.confirm);
  const words = (text) => text?.text ?? "";
  return ask({
    title: words(said.title),
    body: words(said.text),
    yes: words(said.confirm) || "Yes",
    no: words(said.deny) || "No",
  });
}

/** Request fields that identify an element and its view or message. */
function elementFields(page, node) {
  const view = node.closest("[data-view]")?.dataset.view;
  const source = view
    ? { user: page.store.me, view_id: view }
    : messageFields(page, messageOf(page, node));
  return { ...source, action_id: node.dataset.actionId, block_id: node.dataset.blockId };
}

/** What was chosen in a field before the person used it. */
const former = new WeakMap();

/** Sends a pressed element with its value, and what else is chosen in its view. */
export async function press(page, node, value) {
  if (!(await askForConfirmation(node.dataset))) return former.has(node) && restore(node);
  former.set(node, readField(node));
  const view = node.closest("[data-view]");
  const values = view ? choices(view) : undefined;
  await api.click({ ...elementFields(page, node), value, values });
  if (!view && node.hasAttribute("aria-pressed")) {
    const { blockId, actionId } = node.dataset;
    const key = `${messageOf(page, node)?.ts}:${blockId}:${actionId}`;
    page.store.pressed = new Map(page.store.pressed).set(key, value);
    page.store.changed();
  }
}

/** Loads the options of an external select for the text in its search field. */
async function search(page, root, query) {
  const list = root.querySelector("select");
  const found = await api.suggest({ ...elementFields(page, root), value: query.value });
  if (root.dataset.query !== query.value) return; // another letter was typed since
  const groups = found.option_groups ?? [{ options: found.options ?? [] }];
  const kept = new Map([...list.selectedOptions].map((one) => [one.value, one]));
  const fresh = groups
    .flatMap((group) => group.options)
    .filter(({ value }) => !kept.has(value))
    .map(({ text, value }) => new Option(text.text, value));
  list.replaceChildren(...kept.values(), ...fresh);
  list.hidden = !list.children.length;
  list.size = listRows(list.children.length);
}

const PARTS = "option, input";

/** Each part of a field with its value and whether it is chosen. */
const readField = (root) =>
  [root, ...root.querySelectorAll(PARTS)].map((part) => [
    part,
    part.value,
    part.checked,
    part.selected,
  ]);

/** Takes back a choice that the person did not confirm. */
function restore(root) {
  for (const [part, value, checked, selected] of former.get(root)) {
    if (part.matches("option")) part.selected = selected;
    else if (part.matches("[type=checkbox], [type=radio]")) part.checked = checked;
    else if (part.matches("input, textarea")) part.value = value;
  }
}

const fieldOf = (event) => event.target.closest?.("[data-field]");
const isTyped = (node, when) => node?.dataset.typed === when;

/** Adds the listeners of menus, pickers and inputs. */
export function listenToFields(page) {
  const send = (node) => page.attempt(() => press(page, node, choice(node)));
  document.addEventListener("focusin", (event) => {
    const node = fieldOf(event);
    if (node && !former.has(node)) former.set(node, readField(node));
  });
  document.addEventListener("change", (event) => {
    const node = fieldOf(event);
    if (node && !("typed" in node.dataset) && !("search" in event.target.dataset)) send(node);
  });
  document.addEventListener("mousedown", (event) => {
    const item = event.target.closest?.("select[multiple] option");
    if (!item) return;
    event.preventDefault(); // A click adds or removes one item, without a further key.
    item.selected = !item.selected;
    const list = item.closest("select");
    list.focus();
    list.dispatchEvent(new Event("change", { bubbles: true }));
  });
  document.addEventListener("input", (event) => {
    const node = fieldOf(event);
    if (isTyped(node, "letter")) send(node);
    if (!node || !("search" in event.target.dataset)) return;
    node.dataset.query = event.target.value;
    page.attempt(() => search(page, node, event.target));
  });
  document.addEventListener("keydown", (event) => {
    const node = fieldOf(event);
    const isEnter = event.key === "Enter" && !event.isComposing && !event.shiftKey;
    if (!node || !isEnter) return;
    const isSearch = "search" in event.target.dataset;
    if (isSearch || isTyped(node, "enter")) event.preventDefault();
    if (isTyped(node, "enter")) send(node);
  });
}
