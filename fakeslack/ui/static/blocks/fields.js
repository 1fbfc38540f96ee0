/** Stateful elements of Block Kit: menus, pickers and inputs, and what a person chose in them. */

import { el } from "../core/dom.js";
import { richWords } from "./richtext.js";

const DEFAULT_MIN_QUERY_LENGTH = 3;
const MAX_LIST_ROWS = 5;
const MINUTE_MS = 60_000;

const words = (text) => text?.text ?? "";
const isMulti = (element) => element.type.startsWith("multi_");

/** The value of an option, the words of rich text, or the id or text itself. */
const plain = (item) => (item?.type === "rich_text" ? richWords(item) : (item?.value ?? item));

/** What is chosen: values, ids or texts, from Slack's state of the element or as preset. */
function chosen(element, state) {
  const named = state
    ? Object.entries(state).filter(([name]) => name !== "type")
    : Object.entries(element).filter(([name]) => name.startsWith("initial_"));
  return [].concat(named[0]?.[1] ?? []);
}

const localTime = (seconds) => {
  const offset = new Date(seconds * 1000).getTimezoneOffset() * MINUTE_MS;
  return new Date(seconds * 1000 - offset).toISOString().slice(0, 16);
};

/** When a typed text is sent: with Enter, with each letter, or with the next action only. */
function sending(element, block) {
  if (block.type === "input" && !block.dispatch_action) return "later";
  const on = element.dispatch_action_config?.trigger_actions_on ?? [];
  return on.includes("on_character_entered") ? "letter" : "enter";
}

const typedField = (type) => (element, given, frame) => {
  const text = given[0] ?? "";
  const common = {
    ...frame,
    class: "input-field",
    placeholder: words(element.placeholder),
    maxlength: element.max_length ?? null,
    "data-typed": sending(element, frame.block),
  };
  const { block, ...attributes } = common;
  if (element.multiline || element.type === "rich_text_input")
    return el("textarea", { ...attributes, rows: 4 }, text);
  const step = element.is_decimal_allowed ? "any" : null;
  return el("input", { ...attributes, type, step, value: text });
};

const picker = (type, shown) => (element, given, { block, ...frame }) =>
  el("input", { ...frame, type, class: "input-field", value: given.length ? shown(given[0]) : null });

const option = (value, name, given) =>
  el("option", { value, selected: given.includes(value) }, name);

const ofOptions = (options, given) =>
  options.map(({ text, value }) => option(value, words(text), given));

/** Rows of a list with this many items. */
export const listRows = (count) => Math.max(2, Math.min(MAX_LIST_ROWS, count));

function menu(element, given, { block, ...frame }, items) {
  const multiple = isMulti(element);
  const size = multiple ? listRows(items.length) : null;
  const hint =
    !multiple &&
    el("option", { value: "", selected: !given.length }, words(element.placeholder) || "Choose…");
  return el("select", { ...frame, multiple, size, class: "input-field" }, hint, items);
}

function staticMenu(element, given, frame) {
  const groups = (element.option_groups ?? []).map((group) =>
    el("optgroup", { label: words(group.label) }, ofOptions(group.options, given)),
  );
  return menu(element, given, frame, [...ofOptions(element.options ?? [], given), ...groups]);
}

const KINDS = { channel: "public", group: "private", im: "im", mpim: "mpim" };

function isIncluded(channel, limits, names) {
  const kinds = limits?.include ?? Object.values(KINDS);
  const withBot = channel.kind === "im" && channel.members.some((id) => names.person(id)?.is_bot);
  return kinds.includes(KINDS[channel.kind]) && !(limits?.exclude_bot_users && withBot);
}

/** Menu of people or conversations; one that is chosen is listed though the page doesn't know it. */
const listMenu = (list) => (element, given, frame, names) => {
  const items = list(element, names);
  const known = new Set(items.map(([id]) => id));
  const rest = given.filter((id) => !known.has(id)).map((id) => [id, id]);
  const nodes = [...items, ...rest].map(([id, name]) => option(id, name, given));
  return menu(element, given, frame, nodes);
};

const people = (element, names) => names.humans.map((person) => [person.id, person.name]);
const entry = (channel, names) => {
  const mark = ["channel", "group"].includes(channel.kind) ? "#" : "";
  return [channel.id, mark + names.title(channel)];
};
const conversations = (element, names) =>
  names.conversations
    .filter((channel) => isIncluded(channel, element.filter, names))
    .map((channel) => entry(channel, names));
const channels = (element, names) =>
  names.conversations
    .filter((channel) => channel.kind === "channel")
    .map((channel) => entry(channel, names));

function boxes(element, given, { block, id, ...frame }) {
  const type = element.type === "checkboxes" ? "checkbox" : "radio";
  const name = `${id}-choice`;
  const list = element.options.map(({ text, value, description }) =>
    el(
      "label",
      { class: "pick" },
      el("input", { type, name, value, checked: given.includes(value) }),
      el("span", {}, words(text), description && el("small", {}, words(description))),
    ),
  );
  const role = type === "radio" ? "radiogroup" : "group";
  return el("div", { ...frame, id, role, class: "picks" }, list);
}

/** Search field above the options that the app supplies for it. */
function external(element, given, { block, id, "aria-label": label, ...frame }, names, items) {
  const least = element.min_query_length ?? DEFAULT_MIN_QUERY_LENGTH;
  const found = ofOptions(
    items.filter((item) => item?.text),
    given,
  );
  return el(
    "div",
    { ...frame, class: "external" },
    el("input", {
      id,
      type: "search",
      class: "input-field",
      "data-search": String(least),
      placeholder: words(element.placeholder) || "Search…",
      "aria-label": label ?? null,
    }),
    el("select", {
      class: "input-field",
      multiple: isMulti(element),
      size: listRows(found.length),
      hidden: !found.length,
      "aria-label": "Options",
    }, found),
    least > 0 && el("small", {}, `Type ${least} or more letters.`),
  );
}

const text = typedField("text");
const DRAW = {
  plain_text_input: text,
  rich_text_input: text,
  number_input: typedField("number"),
  email_text_input: typedField("email"),
  url_text_input: typedField("url"),
  datepicker: picker("date", String),
  timepicker: picker("time", String),
  datetimepicker: picker("datetime-local", localTime),
  static_select: staticMenu,
  multi_static_select: staticMenu,
  external_select: external,
  multi_external_select: external,
  users_select: listMenu(people),
  multi_users_select: listMenu(people),
  conversations_select: listMenu(conversations),
  multi_conversations_select: listMenu(conversations),
  channels_select: listMenu(channels),
  multi_channels_select: listMenu(channels),
  checkboxes: boxes,
  radio_buttons: boxes,
};

/** Renders a stateful element, or returns null if the page can't draw it. */
export function field(element, block, names) {
  const draw = DRAW[element.type];
  if (!draw) return null;
  const items = chosen(element, names.state?.(block.block_id, element.action_id));
  const frame = {
    block,
    id: `${names.place ?? "field"}-${block.block_id}-${element.action_id}`,
    "aria-label": block.type === "input" ? null : words(element.placeholder) || "Choose",
    autofocus: element.focus_on_load,
    "data-field": element.type,
    "data-block-id": block.block_id,
    "data-action-id": element.action_id,
    "data-key": `${element.type} ${block.block_id} ${element.action_id}`,
    "data-confirm": element.confirm ? JSON.stringify(element.confirm) : null,
  };
  return draw(element, items.map(plain), frame, names, items);
}

/** The types of element that `field` draws. */
export const FIELD_TYPES = Object.keys(DRAW);

const checked = (root) => [...root.querySelectorAll(":checked")].map((box) => box.value);

/** What a person chose in a field: text, option's value, id, Unix seconds, or a list; else null. */
export function choice(root) {
  const type = root.dataset.field;
  if (type === "checkboxes") return checked(root);
  if (type === "radio_buttons") return checked(root)[0] ?? null;
  const node = root.matches("div") ? root.querySelector("select") : root;
  if (node.multiple) return [...node.selectedOptions].map((one) => one.value);
  if (type === "datetimepicker") return node.value ? Date.parse(node.value) / 1000 : null;
  return node.value || null;
}

/** Choices in all fields below a node: block id → action id → choice. */
export function choices(root) {
  const all = {};
  for (const node of root.querySelectorAll("[data-field]"))
    (all[node.dataset.blockId] ??= {})[node.dataset.actionId] = choice(node);
  return all;
}

/** Texts that are typed but not yet sent: key of the field → text. */
export function typedTexts(root) {
  const nodes = [...root.querySelectorAll("[data-typed]")];
  return new Map(nodes.map((node) => [node.dataset.key, node.value]));
}

/** Puts typed texts back into the fields that are still there. */
export function restoreTexts(root, texts) {
  for (const node of root.querySelectorAll("[data-typed]"))
    if (texts.has(node.dataset.key)) node.value = texts.get(node.dataset.key);
}
