/** The page's own line icons, drawn on a grid of 24. */

import { svg } from "./dom.js";

const SHAPES = {
  reply: ["M5 5h14v11h-8l-4 4v-4H5z"],
  edit: ["M5 19l1-4L16 5l3 3L9 18z", "M14 7l3 3"],
  trash: ["M5 7h14", "M9 7V4.5h6V7", "M7 7l1 13h8l1-13", "M10.5 11v5", "M13.5 11v5"],
  smile: [
    "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17",
    "M8.5 14c1.5 2.4 5.5 2.4 7 0",
    "M9 9.5v.6",
    "M15 9.5v.6",
  ],
  copy: ["M9 9h10v11H9z", "M15 9V4H5v11h4"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  sun: [
    "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8",
    "M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  ],
  moon: ["M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"],
  send: ["M4 4.5L20.5 12L4 19.5L6.5 12z", "M6.5 12H13"],
  code: ["M9 7l-5 5l5 5", "M15 7l5 5l-5 5"],
  at: [
    "M12 8.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7",
    "M15.5 8.5v4.5a2.5 2.5 0 0 0 5 0V12a8.5 8.5 0 1 0-3.5 6.9",
  ],
  warning: ["M12 4l9 16H3z", "M12 10v4.5", "M12 17v.3"],
  info: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17", "M12 11v5.5", "M12 7.6v.4"],
  down: ["M12 5v13", "M6.5 12.5L12 18l5.5-5.5"],
  plus: ["M12 5v14", "M5 12h14"],
  eye: [
    "M3 12c4-7.5 14-7.5 18 0c-4 7.5-14 7.5-18 0z",
    "M12 9.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5",
  ],
  file: ["M6 3.5h8l4 4v13H6z", "M13.5 4v4.5H18"],
  people: [
    "M9 5a3.2 3.2 0 1 0 0 6.4A3.2 3.2 0 1 0 9 5",
    "M3 19c.5-6.5 11.5-6.5 12 0",
    "M16 6a2.8 2.8 0 0 1 0 5.300M18 14.500c2 .8 3 2.3 3.2 4.5",
  ],
  up_thumb: [
    "M4 11h3v9H4z",
    "M7 11l4-7.500c2 0 2.5 1.5 2 3.500l-.6 2.500h5.600c1.5 0 2 1 1.8 2.200l-1.3 6.300c-.2 1.2-1 2-2.3 2H7",
  ],
  down_thumb: [
    "M4 4h3v9H4z",
    "M7 13l4 7.500c2 0 2.5-1.5 2-3.500l-.6-2.500h5.600c1.5 0 2-1 1.8-2.200L18.5 6c-.2-1.2-1-2-2.3-2H7",
  ],
  link: ["M10 14l4-4", "M11 7l2-2a4 4 0 0 1 6 6l-2 2", "M13 17l-2 2a4 4 0 0 1-6-6l2-2"],
  plug: ["M9 3.500v5M15 3.500v5", "M6.5 8.500h11v3a5.5 5.5 0 0 1-11 0z", "M12 17v4"],
};

/** One icon as SVG, invisible to screen readers: the button around it carries the name. */
export function icon(name) {
  const paths = (SHAPES[name] ?? SHAPES.info).map((d) => svg("path", { d }));
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, paths);
}
