/** URL hash router: `#/person/channel/thread`. */

const PART = /^[A-Za-z0-9.]+$/;

/** `{user, channel, thread}` of the URL hash; missing parts are null. */
export function readLocation() {
  const parts = location.hash.replace(/^#\/?/, "").split("/");
  const [user, channel, thread] = parts.map((part) => (PART.test(part) ? part : null));
  return { user: user ?? null, channel: channel ?? null, thread: thread ?? null };
}

/** Writes the location into the URL hash; a new channel adds a history entry. */
export function writeLocation({ user, channel, thread }) {
  const hash = `#/${[user, channel, thread].filter(Boolean).join("/")}`;
  if (hash === location.hash) return;
  const previous = readLocation().channel;
  if (previous && previous !== channel) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}
