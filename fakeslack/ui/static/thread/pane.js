/** Pane of the channel or the thread: header, messages and composer. */

import { Composer } from "../composer/composer.js";
import { draftKey } from "../composer/drafts.js";
import { el, refill } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { morph } from "../core/morph.js";
import { Timeline } from "./timeline.js";

const SKELETONS = 4;

function skeleton() {
  const line = (width) => el("div", { class: `bone ${width}` });
  const one = () =>
    el(
      "div",
      { class: "skeleton" },
      el("div", { class: "bone face" }),
      el("div", { class: "lines" }, line("short"), line("long"), line("middle")),
    );
  return el(
    "div",
    { class: "skeletons", "aria-label": "Loading messages", role: "status" },
    Array.from({ length: SKELETONS }, one),
  );
}

function failed(feed) {
  return el(
    "div",
    { class: "failed", role: "alert" },
    icon("warning"),
    el("p", {}, feed.error),
    el("button", { type: "button", class: "block-button", "data-action": "reload" }, "Try again"),
  );
}

export class Pane {
  /** Builds the pane in `root`; `writing` posts and edits for its composer and editors. */
  constructor(root, { writing, names, typed, inThread }) {
    this.inThread = inThread;
    this.header = el("header", { class: "pane-header" });
    this.intro = el("div", { class: "intro" });
    this.list = el("div", {
      class: "messages",
      role: "feed",
      "aria-label": inThread ? "Replies" : "Messages",
    });
    this.state = el("div", { class: "state" });
    this.scroller = el(
      "div",
      { class: "scroller", tabindex: -1 },
      this.state,
      this.intro,
      this.list,
    );
    this.pill = el(
      "button",
      { type: "button", class: "pill", hidden: true },
      icon("down"),
      el("span"),
    );
    this.doing = el("div", { class: "doing-line", role: "status", "aria-live": "polite" });
    this.composer = new Composer({
      names,
      typed,
      broadcast: inThread,
      editLast: () => writing.editLast(),
      send: async (message) => {
        await writing.send(message);
        this.timeline.pin();
      },
    });
    this.timeline = new Timeline({
      scroller: this.scroller,
      list: this.list,
      pill: this.pill,
      editor: (row, message) => writing.editor(row, message),
    });
    this.home = el("div", { class: "home", role: "tabpanel", "aria-label": "Home", hidden: true });
    this.talk = el(
      "div",
      { class: "talk" },
      el("div", { class: "reading" }, this.scroller, this.pill),
      this.doing,
      this.composer.node,
    );
    root.append(this.header, this.home, this.talk);
  }

  /** Renders a feed; `view` holds header, intro, labels and the reason that blocks sending. */
  show(feed, view) {
    this.#morph(this.header, view.header);
    this.#morph(this.intro, feed.phase === "ready" ? view.intro : []);
    refillOnce(this.state, feed.phase, () =>
      ({ loading: skeleton, failed: () => failed(feed) })[feed.phase]?.(),
    );
    this.timeline.me = view.names.me;
    this.timeline.show(feed, view);
    this.composer.attach(draftKey(view.names.me, feed.channel, feed.threadTs));
    this.composer.label(view.placeholder, view.also, view.blocked);
    this.#status(view.doing, view.stoppable);
    this.home.hidden = !view.home;
    this.talk.hidden = Boolean(view.home);
    this.#morph(this.home, [view.home]);
  }

  #morph(node, children) {
    const fresh = node.cloneNode(false);
    refill(fresh, children);
    morph(node, fresh);
  }

  #status(words, stoppable) {
    const dots = el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    const stop = el("button", { type: "button", class: "stop", "data-action": "stop" }, "Stop");
    this.#morph(this.doing, [words && [dots, el("span", {}, words)], stoppable && stop]);
  }
}

function refillOnce(node, phase, draw) {
  if (node.dataset.phase === phase) return;
  node.dataset.phase = phase;
  refill(node, draw());
}
