/** Headers, introductions, prompts and labels of the channel pane and the thread pane. */

import { avatar } from "../core/avatar.js";
import { blocks } from "../blocks/blocks.js";
import { el } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { statusWords } from "./message.js";

const PROMPTS = [
  ["Write some code", "Write a Python function that checks whether a string is a palindrome."],
  ["Explain an idea", "What is a mutex, and when do I need one?"],
  ["Find a mistake", "Why is 0.1 + 0.2 not equal to 0.3 in JavaScript?"],
];

const AWAY = { why: "Can't reach the workspace." };
const ARCHIVED = { why: "This channel is archived.", closed: true };

function blocked(store) {
  if (store.link.phase === "away") return AWAY;
  return store.here?.archived || store.here?.is_archived ? ARCHIVED : null;
}

const tool = (action, shape, label, more = "") =>
  el(
    "button",
    {
      type: "button",
      class: `tool ${more}`,
      "data-action": action,
      "aria-label": label,
      title: label,
    },
    icon(shape),
  );

const theme = () =>
  el(
    "button",
    {
      type: "button",
      class: "tool theme",
      "data-action": "theme",
      "aria-label": "Switch between dark and light",
      title: "Switch between dark and light",
    },
    el("span", { class: "to-dark" }, icon("moon")),
    el("span", { class: "to-light" }, icon("sun")),
  );

const badge = (person) => person?.is_bot && el("span", { class: "app-badge" }, "APP");

function faces(channel, store) {
  const members = channel.members.map((id) => store.people.get(id)).filter(Boolean);
  const shown = members
    .slice(0, 4)
    .map((person) => avatar({ ...person, starred: person.id === store.app?.bot_user }, 24));
  const names = members.map((person) => person.name).join(", ");
  return el(
    "div",
    { class: "members", role: "img", "aria-label": `Members: ${names}`, title: names },
    el("span", { class: "faces" }, shown),
    el("span", {}, members.length),
  );
}

function name(channel, store) {
  const partner = store.partner(channel);
  if (partner)
    return [
      avatar({ ...partner, starred: partner.id === store.app?.bot_user }, 26),
      el("h2", {}, store.title(channel)),
      badge(partner),
    ];
  const mark = channel.kind === "mpim" ? icon("people") : "#";
  return [
    el("span", { class: "hash", "aria-hidden": "true" }, mark),
    el("h2", {}, store.title(channel)),
  ];
}

function tabs(store) {
  if (!store.isAppsOwn(store.here)) return null;
  const one = (tab, label) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        class: "tab",
        "data-action": "tab",
        "data-tab": tab,
        "aria-selected": String(store.tab === tab),
      },
      label,
    );
  return el(
    "div",
    { class: "tabs", role: "tablist", "aria-label": "The app" },
    one("messages", "Messages"),
    one("home", "Home"),
  );
}

/** Lookup of names within a view, and of what is chosen there. */
export const viewNames = (store, view) => ({
  ...store.names,
  place: view?.id,
  pressed: () => undefined,
  state: (block, action) => view.state.values[block]?.[action],
});

/** Renders the app's Home tab if it is open, else returns null. */
function home(store) {
  if (store.tab !== "home" || !store.isAppsOwn(store.here)) return null;
  const names = viewNames(store, store.home);
  if (!store.home)
    return el("p", { class: "home-empty" }, `${store.app.name} has no Home tab yet.`);
  return el(
    "div",
    { class: "content", "data-view": store.home.id },
    blocks(store.home.blocks, names),
  );
}

function suggestions(store) {
  const channel = store.here;
  if (!store.hasBot(channel)) return null;
  const mention = channel.kind === "im" ? "" : `@${store.app.name} `;
  const cards = PROMPTS.map(([title, prompt]) =>
    el(
      "button",
      { type: "button", class: "prompt", "data-action": "prompt", "data-prompt": mention + prompt },
      el("b", {}, title),
      el("span", {}, prompt),
    ),
  );
  return el("div", { class: "prompts", role: "group", "aria-label": "Suggested prompts" }, cards);
}

/** Prompts that the app has pinned above its direct message; one that is chosen is sent. */
function pinned(store) {
  const prompts = store.isAppsOwn(store.here) ? (store.prompts.get(store.here.id) ?? []) : [];
  if (!prompts.length) return null;
  const cards = prompts.map(({ title, message }) =>
    el(
      "button",
      { type: "button", class: "prompt", "data-action": "send-prompt", "data-prompt": message },
      el("b", {}, title),
      el("span", {}, message),
    ),
  );
  return el("div", { class: "prompts", role: "group", "aria-label": "Suggested prompts" }, cards);
}

function firstWords(store) {
  const channel = store.here;
  const partner = store.partner(channel);
  const title = store.title(channel);
  if (partner)
    return [
      avatar({ ...partner, starred: partner.id === store.app?.bot_user }, 64),
      el("h3", {}, title),
      el("p", {}, `This is the very beginning of your conversation with ${title}.`),
    ];
  const how = store.hasBot(channel)
    ? ` Mention @${store.app.name} to ask a question. It answers in a thread.`
    : "";
  const where = channel.kind === "mpim" ? `your conversation with ${title}` : `#${title}`;
  return [
    el(
      "div",
      { class: "intro-mark", "aria-hidden": "true" },
      channel.kind === "mpim" ? icon("people") : "#",
    ),
    el("h3", {}, channel.kind === "mpim" ? title : `#${title}`),
    el("p", {}, `This is the very beginning of ${where}.${how}`),
  ];
}

/** The ts of the message being edited in one pane; both panes may show a thread's root. */
const editing = (store, inThread) =>
  store.editing?.inThread === inThread ? store.editing.ts : null;

/** Contents of the channel pane. */
export function channelView(store) {
  const channel = store.here;
  const title = store.title(channel);
  const room = channel.kind === "im" || channel.kind === "mpim" ? title : `#${title}`;
  return {
    names: store.names,
    inThread: false,
    editing: editing(store, false),
    pressed: store.pressed,
    status: (ts) => store.status(channel.id, ts),
    header: [
      tool("drawer", "menu", "Open the sidebar", "drawer-open"),
      el("div", { class: "title" }, name(channel, store)),
      tabs(store),
      channel.kind === "im" ? null : faces(channel, store),
      theme(),
    ],
    intro: [
      firstWords(store),
      pinned(store) ?? (store.feed.messages.size === 0 && suggestions(store)),
    ],
    home: home(store),
    placeholder: channel.archived ? `${room} is archived` : `Message ${room}`,
    blocked: blocked(store),
    doing: null,
  };
}

/** Contents of the thread pane. */
export function threadView(store) {
  const channel = store.here;
  const status = store.status(channel.id, store.thread.threadTs);
  const room =
    channel.kind === "im" || channel.kind === "mpim"
      ? store.title(channel)
      : `#${store.title(channel)}`;
  return {
    names: store.names,
    inThread: true,
    editing: editing(store, true),
    pressed: store.pressed,
    header: [
      el(
        "div",
        { class: "title" },
        el("h2", {}, store.sessionTitle(channel.id, store.thread.threadTs) ?? "Thread"),
        el("span", { class: "sub" }, room),
      ),
      tool("close-thread", "close", "Close the thread"),
    ],
    intro: store.thread.messages.size ? [] : [el("p", {}, "This thread no longer exists.")],
    placeholder: "Reply…",
    also: `Also send to ${room}`,
    blocked: blocked(store),
    doing: status ? statusWords(status, store.names) : null,
    stoppable: store.stoppable(channel.id, store.thread.threadTs),
  };
}
