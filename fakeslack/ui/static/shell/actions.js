/** Button handlers by the value of `data-action`. */

import { say } from "./announce.js";
import { api, messageId } from "../core/api.js";
import { copyFrom } from "../blocks/code.js";
import { el } from "../core/dom.js";
import { ask } from "./dialog.js";
import { listenToFields, messageFields, messageOf, press } from "./press.js";
import { messageText } from "../thread/message.js";
import { pickEmoji, pickItem } from "../composer/picker.js";

async function react(page, message, name) {
  const mine = message.reactions?.some(
    (one) => one.name === name && one.users.includes(page.store.me),
  );
  await api.react({ ...messageFields(page, message), name, remove: mine || undefined });
}

const shortcutItems = (list) => list.map(({ callback_id, name }) => [callback_id, name]);

const visit = (url) =>
  URL.canParse(url) && /^https?:/.test(url) && open(url, "_blank", "noopener");

async function remove(page, message) {
  const preview = el("blockquote", {}, messageText(message).slice(0, 300));
  const sure = await ask({
    title: "Delete this message?",
    body: preview,
    yes: "Delete",
    danger: true,
  });
  if (sure) await api.remove(messageFields(page, message));
}

async function newDirect(page) {
  const { store } = page;
  const others = [...store.people.values()].filter((person) => person.id !== store.me);
  const boxes = others.map((person) =>
    el(
      "label",
      { class: "pick" },
      el("input", { type: "checkbox", value: person.id }),
      person.name,
      person.is_bot && el("span", { class: "app-badge" }, "APP"),
    ),
  );
  const list = el("div", { class: "picks" }, boxes);
  const sure = await ask({ title: "New direct message", body: list, yes: "Open" });
  const users = [...list.querySelectorAll("input:checked")].map((box) => box.value);
  if (!sure || !users.length) return;
  const { channel } = await api.openDirect({ user: store.me, users });
  await store.load(store.me);
  await page.go(channel.id ?? channel);
}

export const ACTIONS = {
  go: (page, node) => page.go(node.dataset.channel),
  persona: (page, node) => page.become(node.value),
  thread: (page, node, message) => page.openThread(message.thread_ts ?? message.ts),
  "close-thread": (page) => page.closeThread(),
  drawer: (page) => page.drawer(true),
  "drawer-close": (page) => page.drawer(false),
  "to-composer": (page) =>
    (page.threadPane && page.store.thread ? page.threadPane : page.channelPane).composer.focus(),
  prompt: (page, node) => page.channelPane.composer.fill(node.dataset.prompt),
  "send-prompt": (page, node) =>
    api.post({
      user: page.store.me,
      channel: page.store.feed.channel,
      text: node.dataset.prompt,
      client_msg_id: messageId(),
    }),
  react: (page, node, message) =>
    pickEmoji(node, (name) => page.attempt(() => react(page, message, name))),
  shortcuts: (page, node, message) =>
    pickItem(node, "More actions", shortcutItems(page.store.app.shortcuts), (name) =>
      page.attempt(() =>
        api.shortcut({ ...messageFields(page, message), callback_id: name }),
      ),
    ),
  "global-shortcuts": (page, node) =>
    pickItem(node, "Shortcuts", shortcutItems(page.store.app.global_shortcuts), (name) =>
      page.attempt(() =>
        api.shortcut({
          user: page.store.me,
          channel: page.store.feed.channel,
          callback_id: name,
        }),
      ),
    ),
  overflow: (page, node) => {
    const items = JSON.parse(node.dataset.items);
    pickItem(node, "More actions", items, (value) => {
      const url = items.find(([name]) => name === value)[2];
      if (url) visit(url);
      page.attempt(() => press(page, node, value));
    });
  },
  "toggle-reaction": (page, node, message) => react(page, message, node.dataset.name),
  edit: (page, node, message) => page.store.edit(message.ts, Boolean(node.closest(".thread"))),
  delete: (page, node, message) => remove(page, message),
  copy: async (page, node) => {
    await copyFrom(node);
    say("Copied.");
  },
  click: (page, node) => press(page, node, node.dataset.value),
  visit: (page, node) => visit(node.dataset.url),
  tab: (page, node) => page.store.openTab(node.dataset.tab),
  stop: (page) =>
    api.stop({
      user: page.store.me,
      channel: page.store.feed.channel,
      thread_ts: page.store.thread.threadTs,
    }),
  reload: (page) => page.store.refresh(),
  reconnect: (page) => page.live.retry(),
  "hide-no-bot": (page) => page.hideNoBot(),
  "new-direct": newDirect,
};

/** Adds the page's click and change listeners. */
export function listen(page) {
  document.addEventListener("click", (event) => {
    const node = event.target.closest?.("[data-action]");
    const act = node && node.matches("button, .shade") && ACTIONS[node.dataset.action];
    if (act) page.attempt(() => act(page, node, messageOf(page, node)));
  });
  document.addEventListener("change", (event) => {
    const node = event.target.closest?.("[data-action]");
    if (node?.dataset.action === "persona") page.attempt(() => ACTIONS.persona(page, node));
  });
  listenToFields(page);
}
