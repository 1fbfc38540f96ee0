/** Asks the workspace and says in a kind sentence what went wrong. */

const SENTENCES = {
  no_text: "Write something first.",
  msg_too_long: "This message is too long. Shorten it and send it again.",
  is_archived: "This channel is archived, so nobody can write here.",
  not_in_channel: "You are not a member of this channel.",
  channel_not_found: "This channel is no longer here.",
  thread_not_found: "This thread is no longer here.",
  message_not_found: "This message is no longer here.",
  cant_update_message: "You can only edit your own messages.",
  cant_delete_message: "You can only delete your own messages.",
  user_not_found: "This person is no longer here.",
  already_reacted: "You already reacted with this emoji.",
  no_reaction: "This reaction is already gone.",
  app_did_not_respond: "The app did not answer. Try again in a moment.",
  not_processing: "There is nothing to stop any more.",
  unknown_command: "The app knows no such command.",
  duplicate_message_found: "This message was already sent.",
};
const UNREACHABLE = "The workspace cannot be reached.";
const REFUSED = "The workspace did not accept this.";

/** A request that did not work; its message is a sentence for the reader. */
export class Refusal extends Error {
  constructor(sentence, code = null) {
    super(sentence);
    this.code = code;
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Refusal(UNREACHABLE);
  }
  const body = await answer.json().catch(() => ({}));
  const wrong = body.ok === false && !body.errors; // a modal's errors belong to its inputs
  if (!answer.ok || wrong) throw new Refusal(SENTENCES[body.error] ?? REFUSED, body.error ?? null);
  return body;
}

function get(path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return ask(`/_page/${path}?${new URLSearchParams(given)}`);
}

function send(path, body) {
  return ask(`/_page/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** A random id for a message, so that sending it twice makes one message. */
export function messageId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export const api = {
  state: (user) => get("state", { user }),
  messages: (user, channel, thread_ts) => get("messages", { user, channel, thread_ts }),
  post: (body) => send("post", body),
  edit: (body) => send("edit", body),
  remove: (body) => send("delete", body),
  react: (body) => send("react", body),
  click: (body) => send("click", body),
  views: (user) => get("views", { user }),
  home: (body) => send("home", body),
  submitView: (body) => send("submit", body),
  closeView: (body) => send("close", body),
  stop: (body) => send("stop", body),
  openDirect: (body) => send("open_dm", body),
};
