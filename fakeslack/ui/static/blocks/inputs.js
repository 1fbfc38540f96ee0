/** Modal inputs: renders `input` blocks and reads their values in Slack's format. */

import { el } from "../core/dom.js";

const words = (text) => text?.text ?? "";

const options = (element) => [
  ...(element.options ?? []),
  ...(element.option_groups ?? []).flatMap((group) => group.options),
];

function field(element, id) {
  const common = {
    id,
    placeholder: words(element.placeholder),
    maxlength: element.max_length ?? null,
  };
  if (!element.multiline) {
    const type =
      { number_input: "number", datepicker: "date", timepicker: "time" }[element.type] ?? "text";
    const value = element.initial_value ?? element.initial_date ?? element.initial_time ?? null;
    return el("input", { ...common, type, value, class: "input-field" });
  }
  return el("textarea", { ...common, rows: 4, class: "input-field" }, element.initial_value ?? "");
}

function select(element, id) {
  const multiple = element.type === "multi_static_select";
  const first = element.initial_options ?? [element.initial_option].filter(Boolean);
  const chosen = new Set(first.map((option) => option.value));
  const hint = !multiple && el("option", { value: "" }, words(element.placeholder) || "Choose…");
  const list = options(element).map((option) =>
    el("option", { value: option.value, selected: chosen.has(option.value) }, words(option.text)),
  );
  return el("select", { id, multiple, class: "input-field" }, hint, list);
}

function users(element, id, people) {
  const chosen = new Set(element.initial_users ?? []);
  const list = people.map((person) =>
    el("option", { value: person.id, selected: chosen.has(person.id) }, person.name),
  );
  return el("select", { id, multiple: true, class: "input-field" }, list);
}

function boxes(element, id) {
  const type = element.type === "checkboxes" ? "checkbox" : "radio";
  const first = element.initial_options ?? [element.initial_option].filter(Boolean);
  const chosen = new Set(first.map((option) => option.value));
  const list = (element.options ?? []).map((option) =>
    el(
      "label",
      { class: "pick" },
      el("input", { type, name: id, value: option.value, checked: chosen.has(option.value) }),
      words(option.text),
    ),
  );
  return el("div", { id, role: type === "radio" ? "radiogroup" : "group", class: "picks" }, list);
}

const DRAW = {
  plain_text_input: field,
  number_input: field,
  datepicker: field,
  timepicker: field,
  static_select: select,
  multi_static_select: select,
  multi_users_select: users,
  checkboxes: boxes,
  radio_buttons: boxes,
};

const one = (element, value) => options(element).find((option) => option.value === value) ?? null;
const many = (element, values) =>
  options(element).filter((option) => values.includes(option.value));
const checked = (node) => [...node.querySelectorAll(":checked")].map((box) => box.value);

const READ = {
  plain_text_input: (node) => ({ value: node.value || null }),
  number_input: (node) => ({ value: node.value || null }),
  datepicker: (node) => ({ selected_date: node.value || null }),
  timepicker: (node) => ({ selected_time: node.value || null }),
  static_select: (node, element) => ({ selected_option: one(element, node.value) }),
  radio_buttons: (node, element) => ({ selected_option: one(element, checked(node)[0]) }),
  multi_static_select: (node, element) => ({ selected_options: many(element, checked(node)) }),
  multi_users_select: (node) => ({ selected_users: checked(node) }),
  checkboxes: (node, element) => ({ selected_options: many(element, checked(node)) }),
};

const idOf = (block) => `input-${block.block_id}`;

/** Renders one `input` block: label, field, hint and error line. `people` may be chosen. */
export function input(block, people) {
  const { element } = block;
  const draw = DRAW[element.type];
  const label = [
    words(block.label),
    block.optional && el("span", { class: "optional" }, " (optional)"),
  ];
  return el(
    "div",
    { class: "input", "data-input": block.block_id },
    el("label", { for: idOf(block) }, label),
    draw ? draw(element, idOf(block), people) : el("p", {}, `Unsupported input: ${element.type}`),
    block.hint && el("p", { class: "input-hint" }, words(block.hint)),
    el("p", { class: "composer-error", role: "alert", hidden: true }),
  );
}

/** Values of a view's inputs: block id → action id → Slack's element state. */
export function values(blocks, root) {
  const read = blocks
    .filter((block) => block.type === "input" && READ[block.element.type])
    .map((block) => {
      const node = root.querySelector(`[id="${CSS.escape(idOf(block))}"]`);
      const said = READ[block.element.type](node, block.element);
      return [block.block_id, { [block.element.action_id]: { type: block.element.type, ...said } }];
    });
  return Object.fromEntries(read);
}

/** Errors of required inputs that are empty: block id → sentence. */
export function missing(blocks, found) {
  const empty = (state) =>
    Object.entries(state).every(([name, said]) => name === "type" || !said || said.length === 0);
  const wrong = blocks.filter((block) => {
    const state = found[block.block_id];
    return state && !block.optional && Object.values(state).every(empty);
  });
  return Object.fromEntries(wrong.map((block) => [block.block_id, "This field is required."]));
}
