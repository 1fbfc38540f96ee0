/** Page assembly: store, event stream, panes, modal and keyboard. */

import { listen } from "./actions.js";
import { announce } from "./announce.js";
import { api, Refusal } from "../core/api.js";
import { banners } from "./banner.js";
import { byId, refill } from "../core/dom.js";
import { keyboard } from "./keyboard.js";
import { Live } from "../core/live.js";
import { Modal } from "./modal.js";
import { morph } from "../core/morph.js";
import { notice } from "./notice.js";
import { Pane } from "../thread/pane.js";
import { readLocation, writeLocation } from "../core/router.js";
import { sidebar } from "./sidebar.js";
import { Store } from "../core/store.js";
import { channelView, threadView } from "../thread/views.js";
import { Writing } from "../composer/writing.js";

const DEFAULT_PERSON = "U0ADA00001";
const STATE_EVENTS = new Set(["channel", "connected"]);
const TICK_MS = 1_000;
const MINUTE_MS = 60_000;

const narrow = matchMedia("(max-width: 760px)");

class Page {
  constructor() {
    this.store = new Store(() => this.#drawSoon());
    this.live = new Live({
      onEvent: (event) => this.#hear(event),
      onOpen: () => this.attempt(() => this.#sync()),
      onAway: (retryAt) => this.#away(retryAt),
    });
    this.channelPane = this.#pane("channel", false);
    this.threadPane = this.#pane("thread", true);
    this.modal = new Modal(this.store, (act) => this.attempt(act));
    this.noBotHidden = false;
    listen(this);
    keyboard(this);
    addEventListener("popstate", () => this.attempt(() => this.#follow()));
    narrow.addEventListener("change", () => this.#drawSoon());
    setInterval(() => this.#tick(), TICK_MS);
    setInterval(() => this.#drawSoon(), MINUTE_MS);
    byId("channel").classList.add("waiting");
    this.attempt(() => this.#start());
  }

  /** Connects as the person in the URL, or as the first person if that one does not exist. */
  async #start() {
    const { user } = readLocation();
    const known =
      !user ||
      (await api.state(user).then(
        () => true,
        (refusal) => refusal.code !== "user_not_found",
      ));
    if (!known) history.replaceState(null, "", "#/");
    this.live.start(known ? (user ?? DEFAULT_PERSON) : DEFAULT_PERSON);
  }

  #pane(id, inThread) {
    const feed = () => (inThread ? this.store.thread : this.store.feed);
    const pane = new Pane(byId(id), {
      inThread,
      names: () => this.store.nameable(),
      typed: () => this.#drawSoon(),
      writing: new Writing(this.store, feed, () => {
        this.#draw();
        pane.composer.focus();
      }),
    });
    return pane;
  }

  /** Runs an action; shows a Refusal as a notice. */
  async attempt(act) {
    try {
      await act();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      notice(refusal.message);
    }
  }

  // -- navigation

  async go(channel) {
    this.drawer(false);
    if (!this.store.channels.has(channel)) return;
    await this.store.open(channel);
    if (!narrow.matches) this.channelPane.composer.focus();
  }

  async become(user) {
    const { channel } = readLocation();
    document.activeElement?.blur(); // so that the composer gets the focus after loading
    this.store.feed = null;
    this.store.thread = null;
    history.replaceState(null, "", `#/${user}/${channel ?? ""}`);
    await this.store.load(user);
    this.live.start(user);
  }

  async openThread(ts) {
    this.returnTo = document.activeElement?.closest?.("[data-ts]")?.dataset.ts ?? ts;
    const opened = this.store.openThread(ts);
    this.#draw();
    this.threadPane.composer.focus();
    await opened;
  }

  closeThread() {
    this.store.closeThread();
    this.#draw();
    byId("channel")
      .querySelector(`[data-ts="${CSS.escape(this.returnTo ?? "")}"]`)
      ?.focus();
  }

  drawer(open) {
    document.body.classList.toggle("drawer", open);
    this.#reach();
    if (open) byId("sidebar").querySelector(".entry.here, .entry")?.focus();
  }

  /** Closes the topmost layer; returns whether there was one. */
  escape() {
    if (document.body.classList.contains("drawer")) this.drawer(false);
    else if (this.store.thread) this.closeThread();
    else return false;
    return true;
  }

  hideNoBot() {
    this.noBotHidden = true;
    this.#drawSoon();
  }

  async #follow() {
    const { user, channel, thread } = readLocation();
    if (user && user !== this.store.me) return this.become(user);
    if (channel && channel !== this.store.feed?.channel) await this.store.open(channel);
    if (thread && thread !== this.store.thread?.threadTs) await this.store.openThread(thread);
    if (!thread && this.store.thread) this.store.closeThread();
  }

  // -- events

  async #sync() {
    byId("channel").setAttribute("aria-busy", "true");
    try {
      await this.#load();
    } finally {
      byId("channel").setAttribute("aria-busy", "false");
    }
  }

  async #load() {
    this.store.link = { phase: "live", retryAt: null };
    const at = readLocation();
    await this.store.load(at.user ?? DEFAULT_PERSON);
    this.attempt(() => this.store.loadViews());
    if (this.store.feed?.user === this.store.me) return this.store.refresh();
    const first = [...this.store.rooms, ...this.store.direct][0]?.id;
    await this.store.open(this.store.channels.has(at.channel) ? at.channel : first);
    if (at.thread && at.channel === this.store.feed.channel) await this.store.openThread(at.thread);
    // Keep the focus if the person has moved it while the page was loading.
    if (!narrow.matches && document.activeElement === document.body) {
      this.channelPane.composer.focus();
    }
  }

  #hear(event) {
    if (STATE_EVENTS.has(event.type)) return this.attempt(() => this.store.load(this.store.me));
    this.store.applyEvent(event);
    const { feed, thread } = this.store;
    if (event.channel !== feed?.channel) return;
    const shown = [feed, thread].some((one) => one?.messages.has(event.message?.ts));
    if (shown) announce(event, this.store.names);
  }

  #away(retryAt) {
    this.store.link = { phase: "away", retryAt };
    this.#drawSoon();
  }

  // -- rendering

  #drawSoon() {
    if (this.waiting) return;
    this.waiting = true;
    queueMicrotask(() => this.#draw());
  }

  #draw() {
    this.waiting = false;
    const { store } = this;
    banners(store, this.noBotHidden);
    if (!store.me) return;
    this.modal.show();
    this.#sidebar();
    this.#thread();
    if (!store.here) return;
    byId("channel").classList.remove("waiting");
    this.channelPane.show(store.feed, {
      ...channelView(store),
      minute: Math.floor(Date.now() / MINUTE_MS),
    });
    writeLocation({ user: store.me, channel: store.feed.channel, thread: store.thread?.threadTs });
    document.title = `${store.title(store.here)} · ${store.team.name}`;
    this.#reach();
  }

  #sidebar() {
    const node = byId("sidebar");
    const fresh = node.cloneNode(false);
    refill(fresh, sidebar(this.store));
    morph(node, fresh);
    for (const choice of node.querySelectorAll("[name=persona]")) {
      choice.checked = choice.value === this.store.me;
    }
  }

  #thread() {
    const { thread } = this.store;
    byId("thread").hidden = !thread;
    byId("frame").classList.toggle("with-thread", Boolean(thread));
    if (thread) this.threadPane.show(thread, threadView(this.store));
  }

  /** Makes everything but the topmost pane inert on a narrow screen. */
  #reach() {
    const open = document.body.classList.contains("drawer");
    byId("channel").inert = narrow.matches && (open || Boolean(this.store.thread));
    byId("thread").inert = narrow.matches && open;
  }

  #tick() {
    banners(this.store, this.noBotHidden);
  }
}

new Page();
