/** Message list: redraws only changed rows and keeps the scroll position. */

import { prefersReducedMotion, el } from "../core/dom.js";
import { messageRow } from "./message.js";
import { morph } from "../core/morph.js";
import { dayKey, dayName } from "../core/time.js";

const NEAR_BOTTOM_PX = 48;
const GROUPING_SECONDS = 300;
const UNGROUPED_SUBTYPES = new Set([
  "channel_join",
  "channel_leave",
  "tombstone",
  "thread_broadcast",
]);

/** Whether a message follows one by the same author closely enough to omit its header. */
function follows(message, previous) {
  if (!previous || dayKey(previous.ts) !== dayKey(message.ts)) return false;
  const same = previous.user === message.user && previous.username === message.username;
  const near = Number(message.ts) - Number(previous.ts) < GROUPING_SECONDS;
  const plain =
    !UNGROUPED_SUBTYPES.has(message.subtype) && !UNGROUPED_SUBTYPES.has(previous.subtype);
  return same && near && plain && Boolean(previous.is_ephemeral) === Boolean(message.is_ephemeral);
}

const divider = (label, key, look = "divider") =>
  el(
    "div",
    { class: look, role: "separator", "data-key": key, "aria-label": label },
    el("span", {}, label),
  );

export class Timeline {
  constructor({ scroller, list, pill, editor }) {
    this.scroller = scroller;
    this.list = list;
    this.pill = pill;
    this.editor = editor;
    this.drawn = new Map();
    this.pinned = true;
    this.missed = 0;
    this.bottom = 0;
    scroller.addEventListener("scroll", () => this.#looked(), { passive: true });
    new ResizeObserver(() => this.pinned && this.#down()).observe(list);
    new ResizeObserver(() => this.pinned && this.#down()).observe(scroller);
    pill.addEventListener("click", () => this.toBottom());
  }

  /** Renders the feed; a new feed starts at its end. */
  show(feed, view) {
    const other = feed !== this.feed;
    if (other) this.#clear(feed);
    // The browser tells of scrolling a frame later, which may be after a message has arrived.
    else if (this.scroller.scrollTop < this.bottom) this.#looked();
    const before = this.latest;
    const items = this.#items(feed, view);
    this.#place(items);
    this.latest = feed.list().at(-1)?.ts ?? "";
    if (this.pinned) this.#down();
    else if (!other && before && this.latest > before) this.#more(feed, before);
    this.#showPill();
  }

  /** Scrolls to the newest message. */
  toBottom() {
    this.scroller.scrollTo({
      top: this.scroller.scrollHeight,
      behavior: prefersReducedMotion() ? "auto" : "smooth",
    });
  }

  /** Follows the newest message again, for example after a post. */
  pin() {
    this.pinned = true;
    this.missed = 0;
    this.#down();
    this.#showPill();
  }

  #clear(feed) {
    this.feed = feed;
    this.drawn.clear();
    this.list.replaceChildren();
    this.pinned = true;
    this.missed = 0;
    this.bottom = 0;
    this.latest = "";
  }

  #items(feed, view) {
    const items = [];
    let previous = null;
    for (const message of feed.list()) {
      const first = view.inThread && message.ts === feed.threadTs;
      if (!view.inThread && (!previous || dayKey(previous.ts) !== dayKey(message.ts))) {
        const name = dayName(message.ts);
        items.push({
          key: `day-${dayKey(message.ts)}`,
          sign: [name],
          draw: () => divider(name, `day-${dayKey(message.ts)}`),
        });
      }
      const fresh = message.ts === feed.newFrom;
      if (fresh)
        items.push({ key: "new", sign: [], draw: () => divider("New", "new", "divider new") });
      items.push(
        this.#row(
          message,
          view,
          !first && !fresh && follows(message, previous) && previous?.ts !== feed.threadTs,
        ),
      );
      if (first) items.push(...this.#count(feed));
      previous = message;
    }
    return items;
  }

  #count(feed) {
    const count = feed.messages.size - 1;
    if (count < 1) return [];
    const label = count === 1 ? "1 reply" : `${count} replies`;
    return [{ key: "count", sign: [label], draw: () => divider(label, "count") }];
  }

  #row(message, view, compact) {
    const status = view.status?.(message.ts) ?? "";
    const editing = view.editing === message.ts;
    const sign = [message, compact, status, editing, view.names.me, view.pressed, view.minute];
    const draw = () => {
      const row = messageRow(message, { ...view, compact });
      if (editing) this.editor(row, message);
      return row;
    };
    return { key: message.ts, sign, draw, editing };
  }

  #place(items) {
    const keys = new Set(items.map((item) => item.key));
    for (const [key, { node }] of this.drawn) {
      if (keys.has(key)) continue;
      node.remove();
      this.drawn.delete(key);
    }
    let after = null;
    for (const item of items) {
      const node = this.#node(item);
      const next = after ? after.nextSibling : this.list.firstChild;
      if (node !== next) this.list.insertBefore(node, next);
      after = node;
    }
  }

  #node(item) {
    const old = this.drawn.get(item.key);
    if (
      old &&
      (old.sign.every((part, index) => part === item.sign[index]) || (old.editing && item.editing))
    ) {
      return old.node;
    }
    const whole = old && old.editing === item.editing && !item.editing;
    const node = whole ? morph(old.node, item.draw()) : this.#swap(old?.node, item.draw());
    this.drawn.set(item.key, { node, sign: item.sign, editing: item.editing });
    return node;
  }

  /** Replaces a row with an editor as a whole, because a diff would change its text field. */
  #swap(old, fresh) {
    old?.replaceWith(fresh);
    return fresh;
  }

  #more(feed, before) {
    const mine = (message) => message.user === this.me;
    this.missed += feed.list().filter((message) => message.ts > before && !mine(message)).length;
  }

  #looked() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.pinned = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
    if (this.pinned) this.missed = 0;
    this.#showPill();
  }

  #down() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.bottom = this.scroller.scrollTop;
  }

  #showPill() {
    this.pill.hidden = this.pinned;
    const label = this.missed
      ? this.missed === 1
        ? "1 new message"
        : `${this.missed} new messages`
      : "Latest messages";
    if (this.pill.lastChild.textContent !== label) this.pill.lastChild.textContent = label;
    this.pill.classList.toggle("fresh", this.missed > 0);
  }
}
