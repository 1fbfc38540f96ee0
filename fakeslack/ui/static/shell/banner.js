/** Connection banners: what is disconnected, and what to do. */

import { copyButton } from "../blocks/code.js";
import { byId, el, refill } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { morph } from "../core/morph.js";

/** A bot that reconnects within this time causes no banner. */
const GRACE_MS = 1_500;

function away(store) {
  const { retryAt } = store.link;
  const left = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const soon = retryAt === null ? "Reconnecting…" : `Reconnecting in ${left} s.`;
  return el(
    "div",
    { class: "banner away", role: "alert", "data-key": "away" },
    icon("plug"),
    el(
      "p",
      {},
      el("b", {}, "Can't reach the workspace."),
      " Your drafts are saved. ",
      el("span", { class: "countdown", "aria-hidden": "true" }, soon),
    ),
    el(
      "button",
      { type: "button", class: "block-button", "data-action": "reconnect" },
      "Reconnect now",
    ),
  );
}

/** Settings that connect the bot to this workspace. */
const settings = () => [
  `SLACK_API_URL=${location.origin}/api/`,
  "SLACK_BOT_TOKEN=xoxb-fakeslack",
  "SLACK_APP_TOKEN=xapp-fakeslack",
];

function noBot(store) {
  const lines = settings();
  return el(
    "div",
    { class: "banner no-bot", "data-key": "no-bot" },
    icon("plug"),
    el(
      "p",
      {},
      el("b", {}, `${store.app.name} is not connected.`),
      " Start the bot with these settings:",
    ),
    el(
      "div",
      { class: "settings" },
      lines.map((line) => el("code", {}, line)),
    ),
    copyButton("settings", lines.join("\n")),
    el(
      "button",
      {
        type: "button",
        class: "tool",
        "data-action": "hide-no-bot",
        "aria-label": "Hide this notice",
      },
      icon("close"),
    ),
  );
}

/** Renders the banners that apply. */
export function banners(store, hidden) {
  const node = byId("banner");
  const fresh = node.cloneNode(false);
  const gone = store.link.phase === "away";
  const appAway = !gone && !hidden && store.isAppAway(GRACE_MS);
  refill(fresh, gone && away(store), appAway && noBot(store));
  morph(node, fresh);
}
