/** All that the page knows: who reads, where they are, what was said, what is unread. */

import { api } from "./api.js";
import { Feed } from "./feed.js";

const DIRECT = new Set(["im", "mpim"]);
const STATUS_LASTS = 120_000;

const threadKey = (channel, ts) => `${channel}:${ts}`;

export class Store {
  constructor(changed) {
    this.changed = changed;
    this.me = null;
    this.team = null;
    this.app = null;
    this.people = new Map();
    this.channels = new Map();
    this.feed = null;
    this.thread = null;
    this.statuses = new Map();
    this.sessions = new Map();
    this.pressed = new Map();
    this.tab = "messages";
    this.home = null;
    this.modal = null;
    this.editing = null;
    this.link = { phase: "connecting", retryAt: null };
  }

  /** Reads the workspace as `user` sees it. */
  async load(user) {
    this.asked = user;
    const state = await api.state(user);
    if (this.asked !== user) return;
    this.me = state.me ?? user;
    this.team = state.team;
    if (this.app?.connected !== false) this.apartSince = this.app ? Date.now() : 0;
    this.app = state.app;
    this.people = new Map(state.people.map((person) => [person.id, person]));
    this.channels = new Map(
      state.channels.map((channel) => [channel.id, { ...channel, fresh: channel.unread }]),
    );
    if (this.feed) this.#read(this.feed.channel);
    this.changed();
  }

  /** Reads what the app shows this person beside messages: the Home tab and open modals. */
  async loadViews() {
    const { home, modals } = await api.views(this.me);
    this.home = home;
    this.modal = modals.at(-1) ?? null;
    this.changed();
  }

  /** Shows the Home tab of the app's direct message, or its messages again. */
  async openTab(tab) {
    this.tab = tab;
    this.changed();
    await api.home({ user: this.me, tab });
  }

  /** What drawing needs to turn ids into names. */
  get names() {
    return {
      me: this.me,
      app: this.app,
      person: (id) => this.people.get(id),
      channel: (id) => this.channels.get(id),
    };
  }

  /** Whether the app has been away for longer than `grace` milliseconds. */
  lonely(grace) {
    return Boolean(this.app && !this.app.connected && Date.now() - this.apartSince > grace);
  }

  /** Who and what may be named while writing. */
  nameable() {
    return { ...this.names, everybody: () => this.people.values(), rooms: () => this.rooms };
  }

  /** Channels, without direct messages. */
  get rooms() {
    return [...this.channels.values()].filter((channel) => !DIRECT.has(channel.kind));
  }

  /** Direct messages: the app's first, then with one person, then with several. */
  get direct() {
    const rank = (channel) => (channel.kind === "mpim" ? 2 : this.isAppsOwn(channel) ? 0 : 1);
    const all = [...this.channels.values()].filter((channel) => DIRECT.has(channel.kind));
    return all.sort((one, other) => rank(one) - rank(other));
  }

  /** Who can write here, that is everyone who is not a bot. */
  get humans() {
    return [...this.people.values()].filter((person) => !person.is_bot);
  }

  /** The channel that is open, or undefined before one is. */
  get here() {
    return this.channels.get(this.feed?.channel);
  }

  /** How a channel is called by the one who reads. */
  title(channel) {
    if (!DIRECT.has(channel.kind)) return channel.name;
    const others = channel.members.filter((member) => member !== this.me);
    const names = (others.length ? others : [this.me]).map((id) => this.people.get(id)?.name ?? id);
    return names.join(", ");
  }

  /** The other side of a direct message, else undefined. */
  partner(channel) {
    if (channel?.kind !== "im") return undefined;
    return this.people.get(channel.members.find((member) => member !== this.me) ?? this.me);
  }

  /** Whether this is the direct message with the app, which also has a Home tab. */
  isAppsOwn(channel) {
    return Boolean(this.app) && this.partner(channel)?.id === this.app.bot_user;
  }

  /** Whether the connected app's bot can hear what is said in a channel. */
  hears(channel) {
    return Boolean(this.app && channel?.members?.includes(this.app.bot_user));
  }

  async open(channel) {
    const feed = new Feed(this.me, channel, null, this.channels.get(channel)?.fresh ?? 0);
    this.feed = feed;
    this.thread = null;
    this.editing = null;
    this.tab = "messages";
    this.#read(channel);
    this.changed();
    await this.#fetch(feed);
  }

  async openThread(ts) {
    const feed = new Feed(this.me, this.feed.channel, ts);
    const root = this.feed.messages.get(ts);
    if (root) feed.messages.set(ts, root);
    this.thread = feed;
    this.changed();
    await this.#fetch(feed);
  }

  /** Opens the editor of a message in one column, or closes it. */
  edit(ts, inThread = false) {
    this.editing = ts ? { ts, inThread } : null;
    this.changed();
  }

  closeThread() {
    this.thread = null;
    this.changed();
  }

  /** Fetches again what is open, for instance after the workspace was away. */
  async refresh() {
    await Promise.all([this.feed, this.thread].filter(Boolean).map((feed) => this.#fetch(feed)));
  }

  async #fetch(feed) {
    await feed.load();
    for (const [thread_ts, status] of Object.entries(feed.statuses ?? {})) {
      this.#status({ channel: feed.channel, thread_ts, status });
    }
    this.changed();
  }

  /** Applies one event of the stream. */
  take(event) {
    if (event.type === "status") this.#status(event);
    if (event.type === "session" && event.session)
      this.sessions.set(threadKey(event.channel, event.thread_ts), event.session);
    if (event.type === "view") this.#view(event.view);
    if (event.type === "message") this.#arrived(event.message, event.channel);
    this.feed?.take(event);
    this.thread?.take(event);
    this.changed();
  }

  /** What the app says it does in a thread, or an empty string. */
  status(channel, ts) {
    return this.statuses.get(threadKey(channel, ts)) ?? "";
  }

  /** Whether the app says that its work in a thread can be stopped. */
  stoppable(channel, ts) {
    return this.sessions.get(threadKey(channel, ts)) === "processing";
  }

  #view(view) {
    if (view?.type === "home") this.home = view;
    else this.modal = view;
  }

  #status({ channel, thread_ts, status }) {
    const key = threadKey(channel, thread_ts);
    if (!status) return this.statuses.delete(key);
    this.statuses.set(key, status);
    setTimeout(
      () => this.statuses.get(key) === status && this.statuses.delete(key) && this.changed(),
      STATUS_LASTS,
    );
  }

  #arrived(message, id) {
    const channel = this.channels.get(id);
    if (!channel || message.user === this.me || id === this.feed?.channel) return;
    const reply = message.thread_ts && message.thread_ts !== message.ts;
    const named = (message.text ?? "").includes(`<@${this.me}>`);
    const direct = DIRECT.has(channel.kind);
    if (!reply) channel.fresh += 1;
    if (!reply || named || direct || message.parent_user_id === this.me)
      channel.unread = (channel.unread ?? 0) + 1;
    if (named || direct) channel.named = true;
  }

  #read(id) {
    const channel = this.channels.get(id);
    if (channel) Object.assign(channel, { unread: 0, named: false, fresh: 0 });
  }
}
