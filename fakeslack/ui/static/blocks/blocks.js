/** Block Kit rendering; an unknown block shows its type, so that no content is hidden. */

import { el } from "../core/dom.js";
import { FIELD_TYPES, field } from "./fields.js";
import { icon } from "../core/icons.js";
import { inline, link } from "./inline.js";
import { input } from "./inputs.js";
import { markdown } from "./markdown.js";
import { parse } from "./mrkdwn.js";
import { richText, richWords } from "./richtext.js";

/** Renders a text object: `plain_text` is literal, `mrkdwn` is parsed. */
function words(text, names) {
  if (typeof text === "string") return inline(parse(text), names);
  return text?.type === "mrkdwn" ? inline(parse(text.text ?? ""), names) : [text?.text ?? ""];
}

/** Renders an image as a link, because the page loads nothing from other hosts. */
function picture(image) {
  const label = `🖼 ${image.alt_text ?? "image"}`;
  return image.image_url ? link(image.image_url, label) : el("span", {}, label);
}

/** Data attributes that a click sends back to the app. */
function clickAttributes(element, block, value) {
  return {
    "data-action": element.url ? "visit" : "click",
    "data-action-id": element.action_id,
    "data-block-id": block.block_id,
    "data-value": value ?? null,
    "data-url": element.url ?? null,
    "data-confirm": element.confirm ? JSON.stringify(element.confirm) : null,
  };
}

/** Whether an element is hidden from the reader. */
function isHidden(element, names) {
  const only = element.visible_to_user_ids;
  return Boolean(only) && !only.includes(names.me);
}

function button(element, block, names) {
  const look = element.style ? `block-button ${element.style}` : "block-button";
  const label = element.accessibility_label ?? null;
  return el(
    "button",
    {
      type: "button",
      class: look,
      "aria-label": label,
      ...clickAttributes(element, block, element.value),
    },
    words(element.text, names),
  );
}

function overflow(element, block, names) {
  const items = element.options.map(({ text, value, url }) => [value, text?.text ?? value, url]);
  return el(
    "button",
    {
      type: "button",
      class: "block-button overflow",
      "aria-label": "More actions",
      ...clickAttributes(element, block),
      "data-action": "overflow",
      "data-items": JSON.stringify(items),
    },
    icon("more"),
  );
}

function feedback(element, block, names) {
  const one = (part, shape, side) => {
    const pressed = names.pressed(block.block_id, element.action_id) === part.value;
    const label = part.accessibility_label ?? part.text?.text ?? side;
    const attributes = {
      ...clickAttributes(element, block, part.value),
      "aria-pressed": String(pressed),
    };
    return el(
      "button",
      {
        type: "button",
        class: `feedback ${side}`,
        "aria-label": label,
        title: part.text?.text ?? label,
        ...attributes,
      },
      icon(shape),
    );
  };
  return el(
    "span",
    { class: "feedback-pair", role: "group", "aria-label": "Feedback" },
    element.positive_button && one(element.positive_button, "up_thumb", "positive"),
    element.negative_button && one(element.negative_button, "down_thumb", "negative"),
  );
}

function iconButton(element, block, names) {
  const label = element.accessibility_label ?? element.text?.text ?? element.icon;
  return el(
    "button",
    {
      type: "button",
      class: "feedback",
      "aria-label": label,
      title: element.text?.text ?? label,
      ...clickAttributes(element, block, element.value),
    },
    icon(element.icon),
  );
}

const ELEMENTS = {
  ...Object.fromEntries(FIELD_TYPES.map((type) => [type, field])),
  button,
  overflow,
  feedback_buttons: feedback,
  icon_button: iconButton,
  image: picture,
};

const elements = (block, names) =>
  (block.elements ?? [])
    .filter((element) => !isHidden(element, names))
    .map(
      (element) =>
        ELEMENTS[element.type]?.(element, block, names) ??
        el("span", { class: "context-text" }, words(element, names)),
    );

function section(block, names) {
  const fields = (block.fields ?? []).map((field) =>
    el("div", { class: "field" }, words(field, names)),
  );
  const beside = block.accessory && ELEMENTS[block.accessory.type]?.(block.accessory, block, names);
  return el(
    "div",
    { class: "block section" },
    el(
      "div",
      { class: "section-text" },
      block.text && words(block.text, names),
      fields.length > 0 && el("div", { class: "fields" }, fields),
    ),
    beside && el("div", { class: "accessory" }, beside),
  );
}

function cell(content, names, tag) {
  const inner =
    content?.type === "rich_text"
      ? richText(content, names)
      : String(content?.text ?? content?.value ?? "");
  return el(tag, {}, inner);
}

function table(block, names) {
  const rows = (block.rows ?? []).map((row, index) =>
    el(
      "tr",
      {},
      row.map((content) => cell(content, names, index === 0 ? "th" : "td")),
    ),
  );
  return el(
    "div",
    { class: "block table", tabindex: 0, role: "region", "aria-label": "Table" },
    el("table", {}, el("tbody", {}, rows)),
  );
}

const LEVELS = new Set(["default", "info", "warning", "error", "success"]);

function alert(block, names) {
  const level = LEVELS.has(block.level) ? block.level : "default";
  const shape = { warning: "warning", error: "warning", success: "check" }[level] ?? "info";
  return el(
    "div",
    { class: `block alert ${level}`, role: "note" },
    icon(shape),
    el("div", {}, words(block.text, names)),
  );
}

const BLOCKS = {
  rich_text: richText,
  markdown: (block, names) => markdown(block.text ?? "", names),
  section,
  header: (block, names) => el("h3", { class: "block heading" }, words(block.text, names)),
  divider: () => el("hr", { class: "block" }),
  context: (block, names) => el("div", { class: "block context" }, elements(block, names)),
  actions: (block, names) =>
    el(
      "div",
      { class: "block actions-block", role: "group", "aria-label": "Actions" },
      elements(block, names),
    ),
  context_actions: (block, names) =>
    el("div", { class: "block context-actions" }, elements(block, names)),
  image: (block) => el("div", { class: "block context" }, picture(block)),
  input,
  table,
  alert,
};

/** Whether all elements of a block are hidden from the reader. */
function isEmpty(block, names) {
  const found = block.elements ?? [];
  return found.length > 0 && found.every((element) => isHidden(element, names));
}

/** Renders a message's blocks as DOM nodes. */
export function blocks(list, names) {
  return list.filter((block) => !isEmpty(block, names)).map(
    (block) =>
      BLOCKS[block.type]?.(block, names) ??
      el("div", { class: "block context" }, `Unsupported block: ${block.type}`),
  );
}

/** Plain text of blocks, for announcements and previews. */
export function blockWords(list) {
  const text = (block) =>
    block.type === "rich_text" ? richWords(block) : (block.text?.text ?? block.text ?? "");
  return list.map(text).filter(Boolean).join(" ");
}
