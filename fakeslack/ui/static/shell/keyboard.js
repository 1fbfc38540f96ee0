/** Keyboard shortcuts of the whole page. */

const OVERLAY = "dialog[open], :popover-open";

function nextChannel(page, step) {
  const { rooms, direct } = page.store;
  const all = [...rooms, ...direct];
  const at = all.findIndex((channel) => channel.id === page.store.feed?.channel);
  return all[(at + step + all.length) % all.length]?.id;
}

/** Moves the focus to the next row if a row has the focus. */
function moveRow(event, step) {
  const row = event.target.matches?.("article.message") ? event.target : null;
  if (!row) return false;
  const rows = [...row.parentElement.querySelectorAll("article.message")];
  rows[rows.indexOf(row) + step]?.focus();
  return true;
}

function handled(page, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && event.altKey) {
    page.attempt(() => page.go(nextChannel(page, step)));
    return true;
  }
  if (step) return moveRow(event, step);
  if (event.key !== "Escape" || document.querySelector(OVERLAY)) return false;
  return page.escape();
}

/** Adds the page's keyboard listener. */
export function keyboard(page) {
  document.addEventListener("keydown", (event) => {
    if (!event.isComposing && handled(page, event)) event.preventDefault();
  });
}
