/** Files that a message will carry: chosen by a button, listed with their names, removable. */

import { el, refill } from "../core/dom.js";
import { icon } from "../core/icons.js";

/** Reads a chosen file as base64. */
function encode(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.split(",")[1] ?? ""));
    reader.addEventListener("error", () => reject(new Error("This file can't be read.")));
    reader.readAsDataURL(file);
  });
}

export class Attachments {
  /** `changed()` runs when a file is added or removed. */
  constructor(changed) {
    this.changed = changed;
    this.files = [];
    this.list = el("ul", { class: "attached", "aria-label": "Attached files" });
    this.input = el("input", {
      type: "file",
      multiple: true,
      hidden: true,
      on: { change: () => this.#add() },
    });
    this.button = el(
      "button",
      {
        type: "button",
        class: "tool",
        "aria-label": "Attach files",
        title: "Attach files",
        on: { click: () => this.input.click() },
      },
      icon("plus"),
    );
  }

  /** The files as the server takes them. */
  read() {
    return Promise.all(
      this.files.map(async (file) => ({
        name: file.name,
        mimetype: file.type || "text/plain",
        base64: await encode(file),
      })),
    );
  }

  clear() {
    this.files = [];
    this.#draw();
  }

  #add() {
    this.files.push(...this.input.files);
    this.input.value = "";
    this.#draw();
  }

  #remove(file) {
    this.files = this.files.filter((other) => other !== file);
    this.#draw();
  }

  #draw() {
    refill(
      this.list,
      this.files.map((file) =>
        el(
          "li",
          {},
          file.name,
          el(
            "button",
            {
              type: "button",
              "aria-label": `Remove ${file.name}`,
              on: { click: () => this.#remove(file) },
            },
            "×",
          ),
        ),
      ),
    );
    this.changed();
  }
}
