/** Messages of one channel or thread, updated by events. */

import { api } from "./api.js";

const DERIVED_FIELDS = ["reply_count", "reply_users", "reply_users_count", "latest_reply"];

const MESSAGE_EVENTS = new Set([
  "message",
  "message_changed",
  "message_deleted",
  "reaction",
  "ephemeral",
]);

const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

/** A changed message without the fields that Slack derives keeps the earlier values of these. */
function merged(old, fresh) {
  const kept = DERIVED_FIELDS.filter((name) => old && name in old && !(name in fresh));
  return { ...fresh, ...Object.fromEntries(kept.map((name) => [name, old[name]])) };
}

function withReply(root, reply) {
  if (root.latest_reply && root.latest_reply >= reply.ts) return root;
  const users = root.reply_users ?? [];
  return {
    ...root,
    thread_ts: root.ts,
    reply_count: (root.reply_count ?? 0) + 1,
    reply_users: users.includes(reply.user) ? users : [...users, reply.user],
    latest_reply: reply.ts,
  };
}

export class Feed {
  constructor(user, channel, threadTs = null, unread = 0) {
    this.user = user;
    this.channel = channel;
    this.threadTs = threadTs;
    this.phase = "loading";
    this.error = null;
    this.messages = new Map();
    this.early = [];
    this.unread = unread;
    this.newFrom = null;
  }

  /** Fetches all messages; events that arrive during the fetch are applied afterwards. */
  async load() {
    this.fetching = true;
    try {
      const found = await api.messages(this.user, this.channel, this.threadTs);
      const { messages } = found;
      this.statuses = found.statuses ?? {};
      this.stoppable = found.stoppable ?? [];
      this.titles = found.titles ?? {};
      this.prompts = found.prompts ?? [];
      const ephemerals = [...this.messages.values()].filter((message) => message.is_ephemeral);
      const all = [...messages, ...ephemerals];
      this.messages = new Map(all.map((message) => [message.ts, message]));
      if (this.phase === "loading") this.newFrom = this.#firstUnread();
      this.phase = "ready";
    } catch (refusal) {
      this.error = refusal.message;
      if (this.phase === "loading") this.phase = "failed";
    }
    this.fetching = false;
    for (const event of this.early.splice(0)) this.applyEvent(event);
  }

  /** All messages, oldest first. */
  list() {
    return [...this.messages.values()].sort((one, other) => (one.ts < other.ts ? -1 : 1));
  }

  /** Applies one event of the stream if it belongs to this feed. */
  applyEvent(event) {
    if (event.channel !== this.channel || !event.message) return;
    if (this.fetching) this.early.push(event);
    else if (MESSAGE_EVENTS.has(event.type)) this[event.type](event.message, event);
  }

  #firstUnread() {
    const others = this.list().filter(
      (message) => message.user !== this.user && !message.is_ephemeral,
    );
    return this.unread ? (others.at(-this.unread)?.ts ?? null) : null;
  }

  #mine(message) {
    if (this.threadTs) return message.ts === this.threadTs || message.thread_ts === this.threadTs;
    return !isReply(message) || message.subtype === "thread_broadcast";
  }

  message(message, event) {
    if (this.#mine(message))
      this.messages.set(message.ts, merged(this.messages.get(message.ts), message));
    const root = isReply(message) && this.messages.get(message.thread_ts);
    if (root) this.messages.set(root.ts, event.root ?? withReply(root, message));
  }

  ephemeral(message) {
    if (this.#mine(message)) this.messages.set(message.ts, { ...message, is_ephemeral: true });
  }

  message_changed(message) {
    const old = this.messages.get(message.ts);
    if (old) this.messages.set(message.ts, merged(old, message));
  }

  reaction(message) {
    this.message_changed(message);
  }

  message_deleted(message, event) {
    const root = isReply(message) && this.messages.get(message.thread_ts);
    if (root) this.messages.set(root.ts, event.root ?? withoutReply(root));
    const old = this.messages.get(message.ts);
    if (!old) return;
    if (old.reply_count) this.messages.set(old.ts, tombstone(old));
    else this.messages.delete(old.ts);
  }
}

const withoutReply = (root) => ({ ...root, reply_count: Math.max(0, (root.reply_count ?? 0) - 1) });

function tombstone({ ts, reply_count, reply_users, latest_reply }) {
  return {
    ts,
    thread_ts: ts,
    reply_count,
    reply_users,
    latest_reply,
    subtype: "tombstone",
    user: "USLACKBOT",
    text: "",
  };
}
