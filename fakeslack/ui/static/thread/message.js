/** Message row: author, time, content, reactions, thread summary and actions. */

import { avatar } from "../core/avatar.js";
import { blocks, blockWords } from "../blocks/blocks.js";
import { el } from "../core/dom.js";
import { character } from "../blocks/emoji.js";
import { icon } from "../core/icons.js";
import { inline, link } from "../blocks/inline.js";
import { parse, unescape } from "../blocks/mrkdwn.js";
import { ago, clock, full } from "../core/time.js";

const SYSTEM_SUBTYPES = new Set([
  "channel_join",
  "channel_leave",
  "channel_archive",
  "channel_unarchive",
]);
const UNKNOWN_USER = { id: "?", name: "Unknown user" };

/** The author of a message; its `username` overrides the profile name. */
export function author(message, names) {
  const known = names.person(message.user) ?? UNKNOWN_USER;
  const name =
    message.username ??
    (known === UNKNOWN_USER ? (message.bot_profile?.name ?? UNKNOWN_USER.name) : known.name);
  const bot = Boolean(message.bot_id) || known.is_bot;
  return { ...known, name, is_bot: bot, starred: message.user === names.app?.bot_user };
}

/** Plain text of a message. */
export const messageText = (message) =>
  message.blocks?.length ? blockWords(message.blocks) : unescape(message.text ?? "");

function tool(action, shape, label) {
  return el(
    "button",
    { type: "button", class: "tool", "data-action": action, "aria-label": label, title: label },
    icon(shape),
  );
}

function tools(message, view) {
  if (message.is_ephemeral || message.subtype === "tombstone") return null;
  const own = message.user === view.names.me && !message.bot_id;
  return el(
    "div",
    { class: "tools", role: "group", "aria-label": "Message actions" },
    tool("react", "smile", "React"),
    view.inThread ? null : tool("thread", "reply", "Reply in thread"),
    own && tool("edit", "edit", "Edit message"),
    view.names.app?.shortcuts?.length > 0 && tool("shortcuts", "more", "More actions"),
    own && tool("delete", "trash", "Delete message"),
  );
}

function reactions(message, names) {
  if (!message.reactions?.length) return null;
  const chips = message.reactions.map(({ name, users, count }) => {
    const mine = users.includes(names.me);
    const who = users.map((id) => names.person(id)?.name ?? id).join(", ");
    return el(
      "button",
      {
        type: "button",
        class: "reaction",
        "data-action": "toggle-reaction",
        "data-name": name,
        "aria-pressed": String(mine),
        "aria-label": `${name}, ${count}, ${who}`,
        title: who,
      },
      el("span", { class: "emoji" }, character(name) ?? `:${name}:`),
      el("span", { class: "count" }, count ?? users.length),
    );
  });
  return el("div", { class: "reactions" }, chips);
}

function threadSummary(message, view) {
  const status = view.status?.(message.ts);
  if (view.inThread || (!message.reply_count && !status)) return null;
  const faces = (message.reply_users ?? [])
    .slice(0, 4)
    .map((id) => avatar(author({ user: id }, view.names), 22));
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count ?? 0} replies`;
  return el(
    "button",
    { type: "button", class: "summary", "data-action": "thread" },
    el("span", { class: "faces" }, faces),
    message.reply_count ? el("span", { class: "replies" }, count) : null,
    status
      ? el("span", { class: "doing" }, statusWords(status, view.names))
      : el("span", { class: "last" }, `Last reply ${ago(message.latest_reply ?? message.ts)}`),
  );
}

/** The status with the app's name in front: "StarChat is thinking…". */
export function statusWords(status, names) {
  const name = names.app?.name ?? "The app";
  return status.startsWith(name) ? status : `${name} ${status}`;
}

function ping(token, names) {
  const [person] = /[UW][A-Z0-9]{4,}/.exec(token) ?? [];
  const group = /!(\w+)/.exec(token)?.[1];
  return `@${names.person(person)?.name ?? group ?? token.replace(/^@/, "")}`;
}

/** Warnings about pings and unfurls by this message. An ephemeral one notifies its reader only. */
function warnings(message, names) {
  const said = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const pings = (message.is_ephemeral ? [] : (message.pings ?? [])).map((token) => ping(said(token), names));
  const unfurls = (message.unfurls ?? []).map(said);
  if (!pings.length && !unfurls.length) return null;
  return el(
    "div",
    { class: "warnings", role: "note" },
    pings.length > 0 &&
      el("span", { class: "badge-warning" }, icon("warning"), `Pings ${pings.join(", ")}`),
    unfurls.length > 0 &&
      el("span", { class: "badge-warning" }, icon("warning"), `Unfurls ${unfurls.join(", ")}`),
  );
}

function file(shared) {
  if (shared.mode === "tombstone")
    return el("div", { class: "file" }, icon("file"), "This file was deleted.");
  const name = shared.title || shared.name || "file";
  const address = shared.permalink ?? shared.url_private;
  return el(
    "div",
    { class: "file" },
    icon("file"),
    el(
      "div",
      {},
      el("div", { class: "file-name" }, address ? link(address, name) : name),
      el("div", { class: "file-kind" }, shared.pretty_type ?? shared.filetype ?? "File"),
      shared.preview && el("pre", { class: "file-preview" }, shared.preview),
    ),
  );
}

function attachment(given, names) {
  return el(
    "div",
    { class: "attachment" },
    given.title &&
      el(
        "div",
        { class: "attachment-title" },
        given.title_link ? link(given.title_link, given.title) : given.title,
      ),
    inline(parse(given.text ?? given.fallback ?? ""), names),
    given.blocks && blocks(given.blocks, names),
  );
}

/** Whether a message is text alone: Slack makes one block of it. */
const isText = (message) =>
  (message.blocks ?? []).every((block) => block.type === "rich_text" && message.blocks.length === 1);

/** Renders the content: the blocks, or the text if there are none. */
export function content(message, names) {
  if (message.subtype === "tombstone")
    return el("div", { class: "content gone" }, "This message was deleted.");
  const said = message.blocks?.length
    ? blocks(message.blocks, names)
    : [
        el(
          "div",
          { class: "block text" },
          inline(parse(message.text ?? "", { labelled: !message.bot_id }), names),
        ),
      ];
  if (message.edited && isText(message)) {
    const last = said.at(-1)?.querySelector(":scope > .rich-section:last-child") ?? said.at(-1);
    last?.append(" ", edited(message));
  }
  return el(
    "div",
    { class: "content" },
    said,
    (message.attachments ?? []).map((given) => attachment(given, names)),
    (message.files ?? []).map(file),
  );
}

const edited = (message) =>
  el("span", { class: "edited", title: full(message.edited.ts) }, "(edited)");

function head(message, who) {
  return el(
    "div",
    { class: "head" },
    el("span", { class: "who" }, who.name),
    who.is_bot && el("span", { class: "app-badge" }, "APP"),
    el(
      "time",
      { title: full(message.ts), datetime: new Date(Number(message.ts) * 1000).toISOString() },
      clock(message.ts),
    ),
    message.edited && !isText(message) && edited(message),
  );
}

/** Renders one row; `view` is `{names, compact, inThread, status, pressed}`. */
export function messageRow(message, view) {
  const who = author(message, view.names);
  const names = {
    ...view.names,
    labelled: !message.bot_id,
    place: `${view.inThread ? "reply" : "message"}-${message.ts}`,
    pressed: (block, action) => view.pressed?.get(`${message.ts}:${block}:${action}`),
  };
  const quiet = SYSTEM_SUBTYPES.has(message.subtype);
  const compact = view.compact && !quiet;
  const classes = [
    "message",
    compact && "compact",
    quiet && "quiet",
    message.is_ephemeral && "ephemeral",
  ];
  return el(
    "article",
    {
      class: classes.filter(Boolean).join(" "),
      "data-key": message.ts,
      "data-ts": message.ts,
      tabindex: 0,
      "aria-label": `${who.name}, ${clock(message.ts)}`,
    },
    el(
      "div",
      { class: "gutter" },
      compact ? el("time", { title: full(message.ts) }, clock(message.ts)) : avatar(who),
    ),
    el(
      "div",
      { class: "body" },
      message.is_ephemeral && el("div", { class: "only-you" }, icon("eye"), "Only visible to you"),
      message.subtype === "thread_broadcast" &&
        !view.inThread &&
        el(
          "button",
          { type: "button", class: "broadcast", "data-action": "thread" },
          "Replied to a thread",
        ),
      compact ? null : head(message, who),
      content(message, names),
      compact && message.edited && !isText(message) && edited(message),
      warnings(message, names),
      reactions(message, names),
      threadSummary(message, view),
    ),
    tools(message, view),
  );
}
