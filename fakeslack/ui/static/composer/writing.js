/** Posting and editing for one pane. */

import { api, Refusal } from "../core/api.js";
import { edit } from "./editor.js";

const editable = (message, me) =>
  message.user === me && !message.bot_id && !message.is_ephemeral && !message.subtype;

export class Writing {
  /** `feed()` returns the pane's feed; `done()` runs when an editor closes. */
  constructor(store, feed, done) {
    this.store = store;
    this.feed = feed;
    this.done = done;
  }

  /** Posts a message; throws a Refusal. */
  async send({ text, files, broadcast, client_msg_id }) {
    const feed = this.feed();
    if (!feed) throw new Refusal("This channel is still loading. Try again in a moment.");
    const body = { user: this.store.me, channel: feed.channel, text, files, client_msg_id };
    if (feed.threadTs) {
      Object.assign(body, { thread_ts: feed.threadTs, broadcast: broadcast || undefined });
    }
    await api.post(body);
  }

  /** Edits the last own message; returns whether there is one. */
  editLast() {
    const own = this.feed()
      ?.list()
      .filter((message) => editable(message, this.store.me));
    const last = own?.at(-1);
    if (last) this.store.edit(last.ts, Boolean(this.feed().threadTs));
    return Boolean(last);
  }

  /** Opens an editor in the row of a message. */
  editor(row, message) {
    const leave = () => {
      this.store.edit(null);
      this.done();
    };
    const save = async (text) => {
      const { me, feed } = this.store;
      await api.edit({ user: me, channel: feed.channel, ts: message.ts, text });
      leave();
    };
    edit(row, message, { names: this.store.names, save, leave });
  }
}
