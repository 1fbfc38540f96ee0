/** Input blocks: label, field, hint and the line for an error. */

import { el } from "../core/dom.js";
import { field } from "./fields.js";

const words = (text) => text?.text ?? "";

/** Renders one `input` block of a modal or Home tab. */
export function input(block, names) {
  const { element } = block;
  const node = field(element, block, names);
  const control = node?.matches("div") ? node.querySelector("input[type=search]") : node;
  const label = [
    words(block.label),
    block.optional && el("span", { class: "optional" }, " (optional)"),
  ];
  return el(
    "div",
    { class: "input", "data-input": block.block_id },
    el("label", { for: control?.id ?? node?.id ?? null }, label),
    node ?? el("p", {}, `Unsupported input: ${element.type}`),
    block.hint && el("p", { class: "input-hint" }, words(block.hint)),
    el("p", { class: "composer-error", role: "alert", hidden: true }),
  );
}
