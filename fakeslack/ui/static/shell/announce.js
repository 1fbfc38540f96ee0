/** Screen reader announcements of new messages, and of replies once they stop changing. */

import { byId, el } from "../core/dom.js";
import { author, messageText } from "../thread/message.js";

const QUIET_MS = 1_500;
const MAX_CHARACTERS = 300;
const MAX_ANNOUNCEMENTS = 5;

const growing = new Map();

/** Announces a sentence to screen readers. */
export function say(words) {
  const live = byId("live");
  live.append(el("p", {}, words));
  while (live.childElementCount > MAX_ANNOUNCEMENTS) live.firstChild.remove();
}

function spoken(message, names) {
  const words = messageText(message).replace(/\s+/g, " ").trim();
  return `${author(message, names).name}: ${words.slice(0, MAX_CHARACTERS)}`;
}

/** Announces a message event of an open feed. */
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
    }, QUIET_MS),
  );
}
