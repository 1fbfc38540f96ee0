/** Message composer: Enter sends, drafts are saved, a failed post keeps its text. */

import { messageId } from "../core/api.js";
import { Attachments } from "./attachments.js";
import { draft, keepDraft } from "./drafts.js";
import { el } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { pickEmoji } from "./picker.js";
import { Suggest } from "./suggest.js";

const MAX_HEIGHT_PX = 320;

/** Fits the height of a text field to its text, up to MAX_HEIGHT_PX. */
export function grow(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, MAX_HEIGHT_PX)}px`;
}

const tool = (shape, label, act) =>
  el(
    "button",
    { type: "button", class: "tool", "aria-label": label, title: label, on: { click: act } },
    icon(shape),
  );

export class Composer {
  /**
   * `send({text, files, broadcast, client_msg_id})` posts and may throw a Refusal. `editLast()` edits the
   * last own message and returns whether there is one. `typed()` runs after every change.
   */
  constructor({ send, editLast, names, typed = () => {}, broadcast = false }) {
    this.send = send;
    this.editLast = editLast;
    this.typed = typed;
    this.key = null;
    this.busy = false;
    this.blocked = null;
    this.#build(names, broadcast);
  }

  #build(names, broadcast) {
    this.field = el("textarea", {
      rows: 1,
      autocomplete: "off",
      spellcheck: "true",
      "aria-autocomplete": "list",
      enterkeyhint: "send",
    });
    this.box = el("ul", {
      class: "suggestions",
      role: "listbox",
      "aria-label": "Suggestions",
      hidden: true,
    });
    this.button = el(
      "button",
      { type: "submit", class: "send", "aria-label": "Send message", title: "Send (Enter)" },
      icon("send"),
    );
    this.error = el("p", { class: "composer-error", role: "alert", hidden: true });
    this.attachments = new Attachments(() => this.#enable());
    this.also = el("input", { type: "checkbox" });
    this.alsoText = el("span");
    this.names = names;
    this.shortcuts = el(
      "button",
      {
        type: "button",
        class: "tool",
        "data-action": "global-shortcuts",
        "aria-label": "Shortcuts",
        title: "Shortcuts",
        hidden: true,
      },
      icon("bolt"),
    );
    this.frame = el(
      "div",
      { class: "composer-frame" },
      this.field,
      this.attachments.list,
      el(
        "div",
        { class: "composer-tools" },
        this.attachments.button,
        this.attachments.input,
        this.shortcuts,
        tool("at", "Mention someone", () => this.insert("@")),
        tool("smile", "Emoji", (event) => this.#emoji(event.currentTarget)),
        tool("code", "Code block", () => this.fence()),
        broadcast && el("label", { class: "also" }, this.also, this.alsoText),
        el(
          "span",
          { class: "hint", "aria-hidden": "true" },
          el("b", {}, "Enter"),
          " to send · ",
          el("b", {}, "Shift+Enter"),
          " for a new line",
        ),
        this.button,
      ),
    );
    this.node = el(
      "form",
      { class: "composer", autocomplete: "off" },
      this.box,
      this.frame,
      this.error,
    );
    this.suggest = new Suggest(this.field, this.box, names);
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("submit", (event) => this.#submit(event));
  }

  /** Switches to another channel or thread and shows its draft. */
  attach(key) {
    if (key === this.key) return;
    this.key = key;
    this.messageId = messageId();
    this.also.checked = false;
    this.attachments.clear();
    this.#fail(null);
    this.#put(draft(key));
  }

  /** Sets the labels of field and check box, and the reason that blocks sending, or null. */
  label(words, also, blocked) {
    if (this.field.placeholder !== words) this.field.placeholder = words;
    this.field.setAttribute("aria-label", words);
    this.alsoText.textContent = also ?? "";
    this.shortcuts.hidden = !this.names().app?.global_shortcuts?.length;
    this.blocked = blocked;
    this.field.disabled = blocked?.closed ?? false;
    this.#enable();
  }

  /** Replaces the text by a suggested prompt. */
  fill(text) {
    this.#put(text);
    keepDraft(this.key, text);
    this.typed();
    this.focus();
  }

  focus() {
    this.field.focus();
  }

  insert(text) {
    const before = this.field.value[this.field.selectionStart - 1];
    const gap = text.startsWith("@") && before && !/\s/.test(before) ? " " : "";
    this.field.setRangeText(gap + text, this.field.selectionStart, this.field.selectionEnd, "end");
    this.focus();
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #emoji(button) {
    pickEmoji(button, (name) => this.insert(`:${name}: `));
  }

  /** Wraps the selection in a code fence, or inserts an empty fence at the caret. */
  fence() {
    const { selectionStart: start, selectionEnd: end, value } = this.field;
    const gap = start > 0 && value[start - 1] !== "\n" ? "\n" : "";
    const chosen = value.slice(start, end);
    this.field.setRangeText(`${gap}\`\`\`\n${chosen}\n\`\`\``, start, end, "end");
    const caret = start + gap.length + 4 + chosen.length;
    this.field.setSelectionRange(caret, caret);
    this.focus();
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #put(text) {
    this.field.value = text;
    this.field.setSelectionRange(text.length, text.length);
    this.suggest.close();
    this.#enable();
    grow(this.field);
  }

  #changed() {
    keepDraft(this.key, this.field.value);
    this.#fail(null);
    this.#enable();
    grow(this.field);
    this.typed();
  }

  #enable() {
    this.button.disabled = this.busy || Boolean(this.blocked) || this.#isEmpty();
    this.frame.classList.toggle("blocked", Boolean(this.blocked));
  }

  #isEmpty() {
    return !this.field.value.trim() && !this.attachments.files.length;
  }

  /** Whether the caret is in an open code fence, where Enter inserts a line. */
  #inFence() {
    const before = this.field.value.slice(0, this.field.selectionStart);
    return before.split("```").length % 2 === 0;
  }

  #key(event) {
    if (event.isComposing || this.suggest.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && !this.#inFence()) {
      event.preventDefault();
      this.node.requestSubmit();
    } else if (event.key === "ArrowUp" && !this.field.value && !event.altKey && this.editLast()) {
      event.preventDefault();
    }
  }

  #fail(sentence) {
    this.error.hidden = !sentence;
    this.error.textContent = sentence ?? "";
  }

  #keep(why) {
    this.#fail(`Not sent: ${why} Your text is kept.`);
  }

  async #submit(event) {
    event.preventDefault();
    const text = this.field.value;
    if (this.busy || this.#isEmpty()) return;
    if (this.blocked) return this.#keep(this.blocked.why);
    const key = this.key;
    this.busy = true;
    this.#enable();
    try {
      const files = await this.attachments.read();
      const broadcast = this.also.checked;
      await this.send({ text, files, broadcast, client_msg_id: this.messageId });
      this.#sent(key, text);
    } catch (refusal) {
      if (key === this.key) this.#keep(refusal.message);
    }
    this.busy = false;
    this.#enable();
  }

  #sent(key, text) {
    if (draft(key) === text) keepDraft(key, "");
    if (key !== this.key) return;
    this.messageId = messageId();
    this.also.checked = false;
    this.attachments.clear();
    this.#fail(null);
    if (this.field.value === text) this.#put("");
    this.typed();
  }
}
