/** What composers and editors of a column do with what the reader wrote. */

import { api, Refusal } from "../core/api.js";
import { edit } from "./editor.js";

const editable = (message, me) =>
  message.user === me && !message.bot_id && !message.is_ephemeral && !message.subtype;

export class Writing {
  /** `store` knows who writes, `feed()` where; `done()` runs when an editor was left. */
  constructor(store, feed, done) {
    this.store = store;
    this.feed = feed;
    this.done = done;
  }

  /** Posts a message; throws a Refusal. */
  async send({ text, broadcast, client_msg_id }) {
    const feed = this.feed();
    if (!feed) throw new Refusal("This place is still being opened.");
    const body = { user: this.store.me, channel: feed.channel, text, client_msg_id };
    if (feed.threadTs) {
      Object.assign(body, { thread_ts: feed.threadTs, broadcast: broadcast || undefined });
    }
    await api.post(body);
  }

  /** Starts editing the last own message; false where there is none. */
  editLast() {
    const own = this.feed()
      ?.list()
      .filter((message) => editable(message, this.store.me));
    const last = own?.at(-1);
    if (last) this.store.edit(last.ts, Boolean(this.feed().threadTs));
    return Boolean(last);
  }

  /** Puts an editor into the row of a message. */
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
