// The full screen: the box switched to another exam by itself, and a person must have seen it.

import { operator } from "./commands.js";
import { button, el, icon } from "./dom.js";
import { operatorFault, textField } from "./exams.js";
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
  notice.replaceChildren(
    el("h2", { id: "change-title" }, icon("change"), el("span", {}, t(isFirst ? "changed_first" : "changed_title"))),
    el("p", {}, t(isFirst ? "changed_first_why" : "changed_why")),
    el("div", { class: "two" }, old && card("one", t("changed_before"), old, t("changed_aside")), card("one now", t("changed_now"), exam, "")),
    seenForm(exam, old, commands),
    el("div", { class: "failed", role: "alert" }),
  );
  if (!notice.open) notice.showModal();
}

notice.addEventListener("cancel", (event) => event.preventDefault()); // Escape is no acknowledgement
notice.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());

/** Who has seen it, where that one says so, and that it was seen. */
function seenForm(exam, old, commands) {
  const since = performance.now();
  const field = textField("change-operator", t("operator_id"));
  const input = field.querySelector("input");
  const wrong = el("p", { class: "wrong", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    if (performance.now() - since <= CALM_MS) return;
    const fault = operatorFault(input.value.trim());
    wrong.replaceChildren(...(fault ? [icon("alarm"), el("span", {}, fault)] : []));
    if (fault) input.focus();
    else commands.acknowledge(input.value.trim());
  };
  const last = operator(old);
  const again = last && last !== exam.operator;
  return el(
    "form",
    { class: "seen", novalidate: true, onsubmit: submit, autocomplete: "off" },
    el("div", { class: "examiner" }, field, again && button("confirm", t("operator_again", last), { onclick: () => (input.value = last) })),
    wrong,
    el("button", { type: "submit", class: "strong", autofocus: true }, icon("confirm"), el("span", {}, t("changed_yes"))),
  );
}

function card(kind, title, exam, note) {
  return el(
    "section",
    { class: kind },
    el("h3", {}, title),
    el("b", {}, exam.patient || t("none")),
    el("span", {}, t("pair", t("study"), exam.study || t("none"))),
    operator(exam) && el("span", {}, t("pair", t("operator"), operator(exam))),
    note && el("span", { class: "soft" }, note),
  );
}
