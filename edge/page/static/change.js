// The full screen: the box switched to another exam by itself, and a person must have seen it.

import { el, icon } from "./dom.js";
import { t } from "./language.js";

const notice = document.getElementById("change");
const CALM_MS = 800; // a tap that was meant for the list must not acknowledge what just covered it
let shown = null;

/** Show or take away the notice; `before` is the exam that was on this screen, or null. */
export function drawChange(view, before, commands) {
  const exam = view.exam?.is_changed ? view.exam : null;
  const key = exam && `${exam.checklist.exam}/${document.documentElement.lang}`;
  if (key === shown) return;
  shown = key;
  if (!exam) return notice.close();
  const old = before ?? (view.others.length === 1 ? view.others[0] : null); // a page just loaded has seen none
  const isFirst = !before && view.others.length === 0;
  const since = performance.now();
  const seen = () => performance.now() - since > CALM_MS && commands.acknowledge();
  notice.replaceChildren(
    el("h2", { id: "change-title" }, icon("change"), el("span", {}, t(isFirst ? "changed_first" : "changed_title"))),
    el("p", {}, t(isFirst ? "changed_first_why" : "changed_why")),
    el("div", { class: "two" }, old && card("one", t("changed_before"), old, t("changed_aside")), card("one now", t("changed_now"), exam, "")),
    el("button", { type: "button", class: "strong", onclick: seen }, icon("confirm"), el("span", {}, t("changed_yes"))),
  );
  if (!notice.open) notice.showModal();
}

notice.addEventListener("cancel", (event) => event.preventDefault()); // Escape is no acknowledgement
notice.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());

function card(kind, title, exam, note) {
  return el(
    "section",
    { class: kind },
    el("h3", {}, title),
    el("b", {}, exam.patient || t("none")),
    el("span", {}, t("pair", t("study"), exam.study || t("none"))),
    note && el("span", { class: "soft" }, note),
  );
}
