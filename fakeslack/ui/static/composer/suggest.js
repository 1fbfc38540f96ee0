/** Autocompletion of people, channels and emoji after `@`, `#` or `:`. */

import { avatar } from "../core/avatar.js";
import { el, refill } from "../core/dom.js";
import { character, namesStartingWith } from "../blocks/emoji.js";

const MAX_CHOICES = 8;
const TRIGGER = /(?:^|[\s(])([@#:])([\p{L}\p{N}_+.-]*)$/u;

const startsWith = (name, letters) => name.toLowerCase().startsWith(letters.toLowerCase());

function people(names, letters) {
  return [...names.everybody()]
    .filter(
      (person) => startsWith(person.name, letters) || startsWith(person.real_name ?? "", letters),
    )
    .sort(
      (one, other) =>
        Number(other.id === names.app?.bot_user) - Number(one.id === names.app?.bot_user),
    )
    .map((person) => ({
      insert: `@${person.name} `,
      label: person.name,
      face: avatar({ ...person, starred: person.id === names.app?.bot_user }, 22),
      note: person.is_bot ? "APP" : person.id === names.me ? "you" : "",
    }));
}

function channels(names, letters) {
  return names
    .rooms()
    .filter((channel) => startsWith(channel.name, letters))
    .map((channel) => ({ insert: `#${channel.name} `, label: channel.name, face: "#", note: "" }));
}

function emoji(_, letters) {
  if (letters.length < 2) return [];
  return namesStartingWith(letters).map((name) => ({
    insert: `:${name}: `,
    label: `:${name}:`,
    face: character(name),
    note: "",
  }));
}

const SOURCES = { "@": people, "#": channels, ":": emoji };

let made = 0;

export class Suggest {
  /** Watches `field` and shows suggestions from `names` in `box`. */
  constructor(field, box, names) {
    this.field = field;
    this.box = box;
    this.names = names;
    this.choices = [];
    this.prefix = `suggest-${(made += 1)}`;
    box.id = this.prefix;
    field.setAttribute("aria-controls", box.id);
    field.addEventListener("input", () => this.look());
    field.addEventListener("click", () => this.look());
    field.addEventListener("blur", () => this.close());
    box.addEventListener("mousedown", (event) => this.#clicked(event));
  }

  get open() {
    return this.choices.length > 0;
  }

  /** Shows suggestions for the text before the caret, or closes the list. */
  look() {
    const before = this.field.value.slice(0, this.field.selectionStart);
    const found =
      this.field.selectionStart === this.field.selectionEnd ? TRIGGER.exec(before) : null;
    if (!found) return this.close();
    const [, mark, letters] = found;
    this.from = before.length - letters.length - 1;
    this.choices = SOURCES[mark](this.names(), letters).slice(0, MAX_CHOICES);
    this.at = 0;
    this.#draw();
  }

  /** Handles a key of the list; returns whether it did. */
  key(event) {
    if (!this.open) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.at = (this.at + step + this.choices.length) % this.choices.length;
    else if (event.key === "Enter" || event.key === "Tab") this.#take(this.at);
    else if (event.key === "Escape") this.choices = [];
    else return false;
    event.preventDefault();
    event.stopPropagation();
    this.#draw();
    return true;
  }

  close() {
    this.choices = [];
    this.#draw();
  }

  #take(index) {
    const { insert } = this.choices[index];
    const end = this.field.selectionStart;
    this.field.setRangeText(insert, this.from, end, "end");
    this.choices = [];
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #clicked(event) {
    event.preventDefault();
    const option = event.target.closest("[role=option]");
    if (!option) return;
    this.#take(Number(option.dataset.index));
    this.#draw();
  }

  #draw() {
    this.box.hidden = !this.open;
    this.field.setAttribute("aria-expanded", String(this.open));
    const options = this.choices.map((choice, index) =>
      el(
        "li",
        {
          role: "option",
          id: `${this.prefix}-${index}`,
          "data-index": index,
          "aria-selected": String(index === this.at),
        },
        el("span", { class: "face" }, choice.face),
        el("span", { class: "label" }, choice.label),
        choice.note && el("span", { class: "note" }, choice.note),
      ),
    );
    refill(this.box, options);
    if (this.open) this.field.setAttribute("aria-activedescendant", `${this.prefix}-${this.at}`);
    else this.field.removeAttribute("aria-activedescendant");
  }
}
