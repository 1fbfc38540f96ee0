/** Tells screen readers of new messages, and of a reply once it has stopped growing. */

import { byId, el } from "../core/dom.js";
import { author, wordsOf } from "../thread/message.js";

const SETTLED = 1_500;
const LONGEST = 300;
const KEPT = 5;

const growing = new Map();

/** Says something to screen readers. */
export function say(words) {
  const live = byId("live");
  live.append(el("p", {}, words));
  while (live.childElementCount > KEPT) live.firstChild.remove();
}

function spoken(message, names) {
  const words = wordsOf(message).replace(/\s+/g, " ").trim();
  return `${author(message, names).name}: ${words.slice(0, LONGEST)}`;
}

/** Announces an event of the stream that concerns what is open. */
export function announce(event, names) {
  const { message, type } = event;
  if (!message || message.user === names.me) return;
  if (type === "message" || type === "ephemeral") say(spoken(message, names));
  if (type !== "message_changed" || !message.bot_id) return;
  clearTimeout(growing.get(message.ts));
  growing.set(
    message.ts,
    setTimeout(() => {
      growing.delete(message.ts);
      say(spoken(message, names));
    }, SETTLED),
  );
}
