/** DOM diffing: turns one tree into another with few changes, to avoid flicker. */

/** Attributes that the page sets at runtime; a new tree does not contain them. */
const RUNTIME_ATTRIBUTES = new Set(["data-copied", "aria-expanded", "open"]);

function morphAttributes(from, to) {
  for (const { name, value } of [...to.attributes]) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !RUNTIME_ATTRIBUTES.has(name)) from.removeAttribute(name);
  }
}

/** Appends to text that grows, so that a selection in it survives. */
function morphText(from, to) {
  if (from.data === to.data) return;
  if (to.data.startsWith(from.data)) from.appendData(to.data.slice(from.data.length));
  else from.data = to.data;
}

function morphChildren(from, to) {
  const fresh = [...to.childNodes];
  for (const [index, child] of fresh.entries()) {
    const old = from.childNodes[index];
    if (old) morph(old, child);
    else from.append(child);
  }
  while (from.childNodes.length > fresh.length) from.lastChild.remove();
}

/** Makes `from` equal to `to`; returns the node that is in the page afterwards. */
export function morph(from, to) {
  const alike = from.nodeName === to.nodeName && from.dataset?.key === to.dataset?.key;
  if (!alike) {
    from.replaceWith(to);
    return to;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    morphText(from, to);
  } else if (!from.isEqualNode(to)) {
    morphAttributes(from, to);
    morphChildren(from, to);
  }
  return from;
}
