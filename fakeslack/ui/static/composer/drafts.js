/** Draft storage by person, channel and thread. */

const PREFIX = "fakeslack.draft.";

/** Local storage, or memory until the page closes if the browser forbids local storage. */
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

/** The draft with this key, or an empty string. */
export const draft = (key) => kept.getItem(PREFIX + key) ?? "";

/** Saves a draft; an empty text deletes it. */
export function keepDraft(key, text) {
  if (text.trim()) kept.setItem(PREFIX + key, text);
  else kept.removeItem(PREFIX + key);
}
