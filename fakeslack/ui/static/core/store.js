/** Page state: current person, people, channels, open feeds, unread counts and app views. */

import { api } from "./api.js";
import { Feed } from "./feed.js";

const DIRECT_KINDS = new Set(["im", "mpim"]);
const STATUS_LIFETIME_MS = 120_000;

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
    this.titles = new Map();
    this.prompts = new Map();
    this.pressed = new Map();
    this.tab = "messages";
    this.home = null;
    this.modal = null;
    this.editing = null;
    this.link = { phase: "connecting", retryAt: null };
  }

  /** Loads the workspace as `user` sees it. */
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

  /** Loads the app's views for this person: the Home tab and open modals. */
  async loadViews() {
    const { home, modals } = await api.views(this.me);
    this.home = home;
    this.modal = modals.at(-1) ?? null;
    this.changed();
  }

  /** Shows the Home tab or the Messages tab of the app's direct message. */
  async openTab(tab) {
    this.tab = tab;
    this.changed();
    await api.home({ user: this.me, tab });
  }

  /** Lookup of names by id, for drawing. */
  get names() {
    return {
      me: this.me,
      app: this.app,
      person: (id) => this.people.get(id),
      channel: (id) => this.channels.get(id),
      humans: this.humans,
      conversations: [...this.rooms, ...this.direct],
      title: (channel) => this.title(channel),
    };
  }

  /** Whether the app has been disconnected for longer than `grace` milliseconds. */
  isAppAway(grace) {
    return Boolean(this.app && !this.app.connected && Date.now() - this.apartSince > grace);
  }

  /** People and channels that the composer can suggest. */
  nameable() {
    return { ...this.names, everybody: () => this.people.values(), rooms: () => this.rooms };
  }

  /** Channels without direct messages. */
  get rooms() {
    return [...this.channels.values()].filter((channel) => !DIRECT_KINDS.has(channel.kind));
  }

  /** Direct messages: with the app first, then with one person, then with several. */
  get direct() {
    const rank = (channel) => (channel.kind === "mpim" ? 2 : this.isAppsOwn(channel) ? 0 : 1);
    const all = [...this.channels.values()].filter((channel) => DIRECT_KINDS.has(channel.kind));
    return all.sort((one, other) => rank(one) - rank(other));
  }

  /** People who are not bots. */
  get humans() {
    return [...this.people.values()].filter((person) => !person.is_bot);
  }

  /** The open channel, or undefined. */
  get here() {
    return this.channels.get(this.feed?.channel);
  }

  /** The channel's title for the current person. */
  title(channel) {
    if (!DIRECT_KINDS.has(channel.kind)) return channel.name;
    const others = channel.members.filter((member) => member !== this.me);
    const names = (others.length ? others : [this.me]).map((id) => this.people.get(id)?.name ?? id);
    return names.join(", ");
  }

  /** The other person of a direct message, or undefined. */
  partner(channel) {
    if (channel?.kind !== "im") return undefined;
    return this.people.get(channel.members.find((member) => member !== this.me) ?? this.me);
  }

  /** Whether this is the app's direct message, which has a Home tab. */
  isAppsOwn(channel) {
    return Boolean(this.app) && this.partner(channel)?.id === this.app.bot_user;
  }

  /** Whether the app's bot is a member of a channel. */
  hasBot(channel) {
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
    if (this.isAppsOwn(this.here)) api.home({ user: this.me, tab: "messages" }).catch(() => {});
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

  /** Opens the editor of a message in one pane, or closes it. */
  edit(ts, inThread = false) {
    this.editing = ts ? { ts, inThread } : null;
    this.changed();
  }

  closeThread() {
    this.thread = null;
    this.changed();
  }

  /** Fetches the open feeds again, for example after a reconnection. */
  async refresh() {
    await Promise.all([this.feed, this.thread].filter(Boolean).map((feed) => this.#fetch(feed)));
  }

  async #fetch(feed) {
    await feed.load();
    for (const [thread_ts, status] of Object.entries(feed.statuses ?? {})) {
      this.#status({ channel: feed.channel, thread_ts, status });
    }
    for (const [thread_ts, title] of Object.entries(feed.titles ?? {}))
      this.titles.set(threadKey(feed.channel, thread_ts), title);
    if (feed.prompts?.length) this.prompts.set(feed.channel, feed.prompts);
    for (const thread_ts of feed.stoppable ?? [])
      this.sessions.set(threadKey(feed.channel, thread_ts), "processing");
    this.changed();
  }

  /** Applies one event of the stream. */
  applyEvent(event) {
    if (event.type === "status") this.#status(event);
    if (event.type === "session" && event.session)
      this.sessions.set(
        threadKey(event.channel, event.thread_ts),
        event.stoppable ? event.session : "without Stop",
      );
    if (event.type === "session" && event.title)
      this.titles.set(threadKey(event.channel, event.thread_ts), event.title);
    if (event.type === "session" && event.prompts) this.prompts.set(event.channel, event.prompts);
    if (event.type === "view") this.#view(event.view);
    if (event.type === "message") this.#arrived(event.message, event.channel);
    this.feed?.applyEvent(event);
    this.thread?.applyEvent(event);
    this.changed();
  }

  /** The app's status line in a thread, or an empty string. */
  status(channel, ts) {
    return this.statuses.get(threadKey(channel, ts)) ?? "";
  }

  /** The title of a thread's session, or undefined. */
  sessionTitle(channel, ts) {
    return this.titles.get(threadKey(channel, ts));
  }

  /** Whether the app's session in a thread is processing, so that it can be stopped. */
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
      STATUS_LIFETIME_MS,
    );
  }

  #arrived(message, id) {
    const channel = this.channels.get(id);
    if (!channel || message.user === this.me || id === this.feed?.channel) return;
    const reply = message.thread_ts && message.thread_ts !== message.ts;
    const named = (message.text ?? "").includes(`<@${this.me}>`);
    const direct = DIRECT_KINDS.has(channel.kind);
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
