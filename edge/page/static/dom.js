// Elements out of arguments, and changes only where something changed: a screen reader hears no more than that.

import { PATHS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("button", {class: "big", onclick: fn}, "text", child)`; null, false and undefined are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A drawing beside a word; it says nothing by itself. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  return setIcon(svg, name);
}

/** Exchange a drawing. */
export function setIcon(svg, name) {
  if (svg.dataset.icon === name) return svg;
  svg.dataset.icon = name;
  svg.replaceChildren(
    ...PATHS[name].map(([d, filled]) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      if (filled) path.setAttribute("class", "filled");
      return path;
    }),
  );
  return svg;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Strings are set, true stands alone, anything false is taken away. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== (value === true ? "" : String(value))) {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** Make `parent` hold one node a key, in order; nodes that stay are not touched, so focus and pictures stay. */
export function keep(parent, keys, make) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const wanted = keys.map((key) => {
    const node = known.get(key) ?? make(key);
    node.dataset.key = key;
    return node;
  });
  const stays = new Set(wanted);
  for (const node of known.values()) if (!stays.has(node)) node.remove();
  wanted.forEach((node, place) => {
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  return wanted;
}

/** A button with an icon and a word. */
export function button(name, text, attributes = {}) {
  return el("button", { type: "button", ...attributes }, icon(name), el("span", { class: "word" }, text));
}
