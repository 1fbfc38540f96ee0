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

const checked = (node) => [...node.querySelectorAll(":checked")].map((box) => box.value);
const typed = (node) => node.value || null;

const READ = {
  plain_text_input: typed,
  number_input: typed,
  datepicker: typed,
  timepicker: typed,
  static_select: typed,
  radio_buttons: (node) => checked(node)[0] ?? null,
  multi_static_select: checked,
  multi_users_select: checked,
  checkboxes: checked,
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

/** Choices in a view's inputs: block id → action id → text, option's value, id, or a list. */
export function values(blocks, root) {
  const read = blocks
    .filter((block) => block.type === "input" && READ[block.element.type])
    .map((block) => {
      const node = root.querySelector(`[id="${CSS.escape(idOf(block))}"]`);
      return [block.block_id, { [block.element.action_id]: READ[block.element.type](node) }];
    });
  return Object.fromEntries(read);
}
