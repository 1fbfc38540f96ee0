/** Client of the page's JSON endpoints; turns error codes into sentences for people. */

const SENTENCES = {
  no_text: "Write something first.",
  msg_too_long: "This message is too long. Shorten it and send it again.",
  is_archived: "This channel is archived. You can read it, but not post.",
  not_in_channel: "You're not a member of this channel.",
  channel_not_found: "This channel no longer exists.",
  thread_not_found: "This thread no longer exists.",
  message_not_found: "This message no longer exists.",
  cant_update_message: "You can only edit your own messages.",
  cant_delete_message: "You can only delete your own messages.",
  user_not_found: "This person is no longer in the workspace.",
  already_reacted: "You already reacted with this emoji.",
  no_reaction: "You already removed this reaction.",
  app_did_not_respond: "The app didn't respond. Try again in a moment.",
  not_processing: "The app has already finished.",
  invalid_options: "The app's options couldn't be read.",
  invalid_response: "The app's response couldn't be read.",
  not_found: "This view is no longer open.",
  value_not_found: "The app doesn't allow this choice.",
  unknown_shortcut: "The app no longer has this shortcut.",
  unknown_command: "The app has no such command.",
  duplicate_message_found: "This message was already sent.",
};
const UNREACHABLE = "Can't reach the workspace.";
const REJECTED = "The workspace rejected this action. Reload the page and try again.";

/** The token of the server's start, which every POST carries. */
let token = "";

/** A failed request; `message` is a sentence for the person, `code` is the error code. */
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
  const wrong = body.ok === false && !body.errors; // A modal shows its errors below its inputs.
  if (!answer.ok || wrong) throw new Refusal(SENTENCES[body.error] ?? REJECTED, body.error ?? null);
  return body;
}

function get(path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return ask(`/_page/${path}?${new URLSearchParams(given)}`);
}

/** Posts JSON with the server's token; a restarted server has another one, which is fetched once. */
async function send(path, body, retry = true) {
  const headers = { "content-type": "application/json", "x-fakeslack-token": token };
  try {
    return await ask(`/_page/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  } catch (refusal) {
    if (refusal.code !== "invalid_page_token" || !retry) throw refusal;
    await loadState(body.user);
    return send(path, body, false);
  }
}

async function loadState(user) {
  const state = await get("state", { user });
  token = state.token;
  return state;
}

/** A random `client_msg_id`, so that a repeated post creates only one message. */
export function messageId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export const api = {
  state: loadState,
  messages: (user, channel, thread_ts) => get("messages", { user, channel, thread_ts }),
  post: (body) => send("post", body),
  edit: (body) => send("edit", body),
  remove: (body) => send("delete", body),
  react: (body) => send("react", body),
  click: (body) => send("click", body),
  suggest: (body) => send("suggest", body),
  shortcut: (body) => send("shortcut", body),
  views: (user) => get("views", { user }),
  home: (body) => send("home", body),
  submitView: (body) => send("submit", body),
  closeView: (body) => send("close", body),
  stop: (body) => send("stop", body),
  openDirect: (body) => send("open_dm", body),
};
