/** Avatars of people and bots: initials on the person's colour. */

import { svg } from "./dom.js";

const COLOURS = [
  "#7c5cd6",
  "#d6455d",
  "#0f8a6d",
  "#c26a12",
  "#2f74d0",
  "#a83fa0",
  "#4d7c0f",
  "#0e7490",
];

const HEX = /^#?([0-9a-f]{6})$/i;

function colour(person) {
  const given = HEX.exec(person.color ?? "");
  if (given) return `#${given[1]}`;
  const sum = [...(person.id ?? "?")].reduce(
    (total, letter) => total * 31 + letter.codePointAt(0),
    7,
  );
  return COLOURS[Math.abs(sum) % COLOURS.length];
}

function initials(name) {
  const words = name.split(/(?=\p{Lu})|[\s_.-]+/u).filter(Boolean);
  return (
    words
      .slice(0, 2)
      .map((word) => [...word][0].toUpperCase())
      .join("") || "?"
  );
}

/** An avatar of `size` CSS pixels: a star for the app, initials for all others. */
export function avatar(person, size = 36) {
  const name = person.name ?? "?";
  const letters = svg(
    "text",
    { x: 18, y: 18, class: "initials", "text-anchor": "middle", "dominant-baseline": "central" },
    initials(name),
  );
  const star = svg("path", {
    class: "star",
    d: "M18 7.500l2.7 7.300l7.8.3l-6.1 4.800l2.1 7.500L18 23.100l-6.5 4.300l2.1-7.500l-6.1-4.800l7.8-.3z",
  });
  return svg(
    "svg",
    { class: "avatar", viewBox: "0 0 36 36", width: size, height: size, "aria-hidden": "true" },
    svg("rect", { width: 36, height: 36, rx: 9, fill: colour(person) }),
    person.is_bot && person.starred ? star : letters,
  );
}
