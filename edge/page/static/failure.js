// What could not be done, in words: what it means and what to do, and small below it what only technicians understand.

import { el } from "./dom.js";
import { failureText, t } from "./language.js";

/** Its lines. */
export function failureLines(failed) {
  const { text, cure, detail } = failureText(failed);
  return el(
    "p",
    {},
    el("b", {}, `${t("order_failed")} ${text}`),
    cure ? ` ${t("order_cure")} ${cure}` : "",
    detail && el("small", { lang: "en" }, detail),
  );
}

/** The same until it is closed or the next order succeeds. */
export function failure(failed, close) {
  return [failureLines(failed), el("button", { type: "button", onclick: close }, t("close"))];
}
