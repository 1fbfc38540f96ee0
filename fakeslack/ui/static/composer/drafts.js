/** Keeps what was begun and not sent, for each person and place. */

const PREFIX = "fakeslack.draft.";

/** Storage may be forbidden to the page; then drafts live as long as it does. */
function storage() {
  try {
    localStorage.setItem(`${PREFIX}probe`, "1");
    localStorage.removeItem(`${PREFIX}probe`);
    return localStorage;
  } catch {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    };
  }
}

const kept = storage();

export const draftKey = (user, channel, threadTs) => `${user}.${channel}.${threadTs ?? ""}`;

/** The draft of a place, or an empty string. */
export const draft = (key) => kept.getItem(PREFIX + key) ?? "";

/** Keeps a draft; an empty one is forgotten. */
export function keepDraft(key, text) {
  if (text.trim()) kept.setItem(PREFIX + key, text);
  else kept.removeItem(PREFIX + key);
}
