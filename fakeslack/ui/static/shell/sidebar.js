/** Sidebar: workspace, person switcher, channels, direct messages and app connection. */

import { avatar } from "../core/avatar.js";
import { draft, draftKey } from "../composer/drafts.js";
import { el } from "../core/dom.js";
import { icon } from "../core/icons.js";

function switcher(store) {
  const choices = store.humans.map((person) =>
    el(
      "label",
      { class: "persona", title: `Write as ${person.name}` },
      el("input", {
        type: "radio",
        name: "persona",
        value: person.id,
        checked: person.id === store.me,
        "data-action": "persona",
        "aria-label": `Write as ${person.name}`,
      }),
      avatar(person, 28),
      el("span", {}, person.name),
    ),
  );
  return el("fieldset", { class: "personas" }, el("legend", {}, "You write as"), choices);
}

function connection(store) {
  if (store.link.phase !== "live") return "Workspace disconnected";
  const name = store.app?.name ?? "App";
  return store.app?.connected ? `${name} is connected` : `${name} is not connected`;
}

function presence(store) {
  const there = store.app?.connected && store.link.phase === "live";
  const words = there ? "connected" : "not connected";
  return el("span", {
    class: there ? "dot on" : "dot",
    role: "img",
    "aria-label": words,
    title: `${store.app?.name ?? "App"} is ${words}`,
  });
}

function face(channel, store) {
  if (channel.kind === "channel") return el("span", { class: "hash", "aria-hidden": "true" }, "#");
  if (channel.kind === "mpim") return el("span", { class: "hash" }, icon("people"));
  const partner = store.partner(channel);
  if (!partner) return el("span", { class: "hash", "aria-hidden": "true" }, "#");
  const app = partner.id === store.app?.bot_user;
  return el(
    "span",
    { class: "face" },
    avatar({ ...partner, starred: app }, 22),
    app && presence(store),
  );
}

function entry(channel, store) {
  const here = channel.id === store.feed?.channel;
  const unread = channel.unread ?? 0;
  const written = !here && draft(draftKey(store.me, channel.id, null));
  const name = store.title(channel);
  const classes = [
    "entry",
    here && "here",
    unread && "unread",
    (channel.named || (unread && channel.kind !== "channel")) && "named",
  ];
  return el(
    "li",
    { "data-key": channel.id },
    el(
      "button",
      {
        type: "button",
        class: classes.filter(Boolean).join(" "),
        "data-action": "go",
        "data-channel": channel.id,
        "aria-current": here ? "page" : null,
        "aria-label": unread ? `${name}, ${unread} unread` : name,
      },
      face(channel, store),
      el("span", { class: "name" }, name),
      store.partner(channel)?.is_bot && el("span", { class: "app-badge" }, "APP"),
      written && el("span", { class: "drafted", title: "Draft" }, icon("edit")),
      unread > 0 &&
        el("span", { class: "count", "aria-hidden": "true" }, unread > 99 ? "99+" : unread),
    ),
  );
}

function group(title, channels, store, beside = null) {
  return el(
    "section",
    { class: "group" },
    el("div", { class: "group-head" }, el("h2", {}, title), beside),
    el(
      "ul",
      {},
      channels.map((channel) => entry(channel, store)),
    ),
  );
}

/** Renders the sidebar's content. */
export function sidebar(store) {
  const { rooms, direct } = store;
  const fresh = el(
    "button",
    {
      type: "button",
      class: "tool",
      "data-action": "new-direct",
      "aria-label": "New direct message",
      title: "New direct message",
    },
    icon("plus"),
  );
  return [
    el(
      "div",
      { class: "workspace" },
      el("span", { class: "workspace-mark", "aria-hidden": "true" }, (store.team?.name ?? "W")[0]),
      el("h1", {}, store.team?.name ?? "Workspace"),
      el(
        "button",
        {
          type: "button",
          class: "tool drawer-close",
          "data-action": "drawer-close",
          "aria-label": "Close the sidebar",
        },
        icon("close"),
      ),
    ),
    switcher(store),
    el(
      "div",
      { class: "groups" },
      group("Channels", rooms, store),
      group("Direct messages", direct, store, fresh),
    ),
    el("div", { class: "app-state" }, presence(store), el("span", {}, connection(store))),
  ];
}
