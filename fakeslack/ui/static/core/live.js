/** Event stream connection with automatic reconnection and backoff. */

const MIN_DELAY_MS = 1_000;
const MAX_DELAY_MS = 10_000;

/**
 * One person's event stream. `onOpen` runs after each connection, so that missed changes can be
 * fetched. `onAway` receives the time of the next attempt, or null during an attempt.
 */
export class Live {
  constructor({ onEvent, onOpen, onAway }) {
    this.hear = { onEvent, onOpen, onAway };
    this.wait = MIN_DELAY_MS;
    addEventListener("online", () => this.retry());
  }

  /** Opens the stream of `user` and closes any other. */
  start(user) {
    this.user = user;
    this.wait = MIN_DELAY_MS;
    this.#open();
  }

  /** Reconnects at once unless the stream is open. */
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
      this.wait = MIN_DELAY_MS;
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
    this.wait = Math.min(this.wait * 2, MAX_DELAY_MS);
  }
}
