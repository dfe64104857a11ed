// The language of the page: remembered on this screen, set on the document, never sent to the box.

import { TEXTS } from "./texts.js";

const KEY = "language";
const CODES = ["en", "zh"];
const TAGS = { en: "en", zh: "zh-Hans" }; // BCP 47: readers choose voice and glyphs by it

let current = CODES.includes(remembered(KEY)) ? remembered(KEY) : fromBrowser();

export function language() {
  return current;
}

export function switchLanguage() {
  current = current === "en" ? "zh" : "en";
  remember(KEY, current);
}

/** A text of the table, with its places filled in. */
export function t(key, ...values) {
  const text = TEXTS[key][CODES.indexOf(current)];
  return text.replace(/\{(\d)\}/g, (_, place) => values[Number(place)]);
}

/** A failure in words: {text, cure, detail}; `detail` is the box's own English, for technicians. */
export function failureText({ error, cure, word }) {
  if (`error_${word}` in TEXTS) return { text: t(`error_${word}`), cure: "", detail: "" };
  if (word === undefined || current === "en") return { text: error, cure, detail: "" }; // the page's own words have none
  return { text: t("box_trouble"), cure: t("box_trouble_cure"), detail: [error, cure].filter(Boolean).join(" ") };
}

/** Of a value with `en` and `zh`, such as a plane or a notice. */
export function named(value) {
  return value[current] || value.en;
}

/** A row's plane, with its fetus where there are several. */
export function namedRow(row, fetuses) {
  return fetuses > 1 ? `${t("fetus", row.fetus)}: ${named(row)}` : named(row);
}

/** A span of time as people say it: "12 s", "3 min 05 s". */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [h, m, s] = current === "en" ? [" h ", " min ", " s"] : ["小时", "分", "秒"];
  if (hours) return `${hours}${h}${minutes}${m}`.trim();
  return minutes ? `${minutes}${m}${String(rest).padStart(2, "0")}${s}` : `${whole}${s}`;
}

/** Write the texts that stand in the HTML. */
export function translatePage(root = document) {
  document.documentElement.lang = TAGS[current];
  document.title = t("title");
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
}

/** A browser may forbid storage; the page works without. */
export function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // it is asked again next time
  }
}

function fromBrowser() {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}
