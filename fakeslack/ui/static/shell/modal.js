/** Modal of the app: rendering, submission and closing. */

import { api } from "../core/api.js";
import { blocks } from "../blocks/blocks.js";
import { choices, restoreTexts, typedTexts } from "../blocks/fields.js";
import { el, refill } from "../core/dom.js";
import { viewNames } from "../thread/views.js";

const words = (text, otherwise) => text?.text ?? otherwise;

export class Modal {
  /** `store.modal` is the topmost view; `attempt` runs requests and shows their refusals. */
  constructor(store, attempt) {
    this.store = store;
    this.attempt = attempt;
    this.form = el("form", { class: "modal-form", novalidate: true });
    this.box = el("dialog", { class: "dialog modal" }, this.form);
    this.box.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.attempt(() => this.#leave());
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.attempt(() => this.#send());
    });
  }

  /** Opens, updates or closes the dialog to match the store. */
  show() {
    const view = this.store.modal;
    if (view?.id === this.view?.id && view?.hash === this.view?.hash) return;
    const texts = view?.id === this.view?.id ? typedTexts(this.form) : new Map();
    this.view = view;
    if (!view) return this.#close();
    this.#draw(view);
    restoreTexts(this.form, texts);
    if (this.box.isConnected) return;
    document.body.append(this.box);
    this.box.showModal();
  }

  #draw(view) {
    const parts = blocks(view.blocks, viewNames(this.store, view));
    const leave = el(
      "button",
      { type: "button", class: "block-button" },
      words(view.close, "Cancel"),
    );
    leave.addEventListener("click", () => this.attempt(() => this.#leave()));
    const send =
      view.submit &&
      el("button", { type: "submit", class: "block-button primary" }, view.submit.text);
    this.box.setAttribute("aria-label", words(view.title, "Dialog"));
    this.box.dataset.view = view.id;
    refill(
      this.form,
      el("h2", {}, words(view.title, "")),
      el("div", { class: "dialog-body content" }, parts),
      el("div", { class: "dialog-buttons" }, leave, send),
    );
  }

  #close() {
    this.box.close();
    this.box.remove();
  }

  async #leave() {
    await api.closeView({ user: this.store.me, view_id: this.view.id });
  }

  async #send() {
    const { view } = this;
    const { errors } = await api.submitView({
      user: this.store.me,
      view_id: view.id,
      values: choices(this.form),
    });
    this.#complain(errors ?? {});
  }

  /** Shows each error below its input and focuses the first one. */
  #complain(errors) {
    for (const node of this.form.querySelectorAll("[data-input]")) {
      const sentence = errors[node.dataset.input];
      const place = node.querySelector("[role=alert]");
      place.hidden = !sentence;
      place.textContent = sentence ?? "";
    }
    const first = Object.keys(errors)[0];
    if (first) this.form.querySelector(`[data-input="${CSS.escape(first)}"] :is(input, select, textarea)`)?.focus();
  }
}
