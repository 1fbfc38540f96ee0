/** Keeps the stream of events open, and opens it again when the workspace was away. */

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 10_000;

/**
 * One stream for one person. `onOpen` runs each time it opens, so that what was missed can be
 * fetched; `onAway` gets the moment of the next try, or null while a try is running.
 */
export class Live {
  constructor({ onEvent, onOpen, onAway }) {
    this.hear = { onEvent, onOpen, onAway };
    this.wait = FIRST_WAIT;
    addEventListener("online", () => this.retry());
  }

  /** Opens the stream of `user`, in place of any other. */
  start(user) {
    this.user = user;
    this.wait = FIRST_WAIT;
    this.#open();
  }

  /** Tries at once, where the stream is not open. */
  retry() {
    if (this.source?.readyState === EventSource.OPEN || !this.user) return;
    this.hear.onAway(null);
    this.#open();
  }

  #open() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(`/_page/events?${new URLSearchParams({ user: this.user })}`);
    this.source = source;
    source.onopen = () => {
      this.wait = FIRST_WAIT;
      this.hear.onOpen();
    };
    source.onmessage = (message) => this.hear.onEvent(JSON.parse(message.data));
    source.onerror = () => source === this.source && this.#later();
  }

  #later() {
    this.source.close();
    clearTimeout(this.timer);
    this.hear.onAway(Date.now() + this.wait);
    this.timer = setTimeout(() => this.retry(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }
}
