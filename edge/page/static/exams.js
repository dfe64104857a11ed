// Opening an exam, and the exams that are open: the form, and the dialog around it.

import { button, el, icon } from "./dom.js";
import { named, t } from "./language.js";
import { openSheet } from "./sheet.js";

const OPERATOR = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"; // as the box takes it
const MAX_FETUSES = 9;

/** The form that starts an exam. */
export function startForm(commands, title = t("start_title"), hint = t("start_hint")) {
  const patient = textField("patient-id", t("patient_id"));
  const study = textField("study-id", t("study_id"));
  const by = textField("operator-id", t("operator_id"));
  const wrong = el("p", { class: "wrong", role: "alert" });
  const count = el("output", { id: "fetuses", "aria-live": "polite" }, "1");
  const step = (change) => () => {
    count.textContent = String(Math.min(MAX_FETUSES, Math.max(1, Number(count.textContent) + change)));
  };

  function submit(event) {
    event.preventDefault();
    const values = [patient, study, by].map((field) => field.querySelector("input").value.trim());
    const fault = !values[0] && !values[1] ? t("start_need") : operatorFault(values[2]);
    wrong.replaceChildren(...(fault ? [icon("alarm"), el("span", {}, fault)] : []));
    if (fault) (values[0] || values[1] ? by : patient).querySelector("input").focus();
    else commands.open({ patient: values[0], study: values[1], by: values[2], fetuses: Number(count.textContent) });
  }

  return el(
    "form",
    { class: "start", novalidate: true, onsubmit: submit, autocomplete: "off" },
    el("h2", {}, title),
    el("p", { class: "soft" }, hint),
    el("div", { class: "fields" }, patient, study, by, stepper(count, step)),
    wrong,
    el("button", { type: "submit", class: "strong" }, icon("go"), el("span", {}, t("start"))),
  );
}

/** What stands in the list's place while no exam is open. */
export function entrance(view, commands) {
  return el("div", { class: "entrance" }, startForm(commands), othersList(view, commands));
}

/** The dialog: this exam, the others, a new one. */
export function openExams(view, commands) {
  const { exam } = view;
  const title = exam ? t("new_exam") : t("start_title");
  openSheet(
    t("exams"),
    [
      exam && thisExam(exam, commands),
      othersList(view, commands),
      startForm(commands, title, exam && exam.checklist.phase !== "ended" ? t("new_exam_hint") : t("start_hint")),
    ],
    { ofExam: false },
  );
}

/** The exams that are not ended and not the open one. */
export function othersList(view, commands) {
  if (!view.others.length) return "";
  const rows = view.others.map((other) => {
    const name = [other.patient, other.study].filter(Boolean).join(" · ");
    return el(
      "button",
      { type: "button", onclick: () => commands.continueExam(other.exam) },
      icon("go"),
      el("span", { class: "word" }, t("continue_exam", name), el("small", {}, t("fetus_left", other.left))),
    );
  });
  return el("section", { class: "choices" }, el("h3", {}, t("others")), ...rows);
}

function thisExam(exam, commands) {
  const { checklist } = exam;
  const more = checklist.fetuses + 1;
  const facts = [
    [t("patient"), exam.patient || t("none")],
    [t("study"), exam.study || t("none")],
    [t("operator"), exam.operator === "unauthenticated" ? t("unauthenticated") : exam.operator],
    [t("model_protocol"), named({ en: exam.protocol_en, zh: exam.protocol_zh })],
    [t("opened_at", "").trim(), new Date(exam.opened_wall).toLocaleString(document.documentElement.lang)],
  ];
  const canGrow = checklist.phase !== "ended" && more <= MAX_FETUSES;
  return el(
    "section",
    { class: "choices" },
    el("h3", {}, t("this_exam")),
    el("dl", { class: "facts-table" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    canGrow && button("add", t("add_fetus", more), { onclick: () => commands.addFetus(more) }),
    button("reassign", t("operator_change"), { onclick: () => askOperator(commands) }),
  );
}

/** Who examines from now on. */
function askOperator(commands) {
  const field = textField("this-operator", t("operator_id_new"));
  const wrong = el("p", { class: "wrong", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const by = field.querySelector("input").value.trim();
    const fault = by ? operatorFault(by) : t("error_nobody_named");
    wrong.replaceChildren(...(fault ? [icon("alarm"), el("span", {}, fault)] : []));
    if (!fault) commands.nameOperator(by);
  };
  openSheet(t("operator_change"), [
    el(
      "form",
      { class: "start", novalidate: true, onsubmit: submit, autocomplete: "off" },
      field,
      wrong,
      el("button", { type: "submit", class: "strong" }, icon("confirm"), el("span", {}, t("operator_change"))),
    ),
  ]);
}

/** A line to type an id into. */
export function textField(id, label) {
  const input = el("input", { id, maxlength: 64, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  return el("div", { class: "field" }, el("label", { for: id }, label), input);
}

function stepper(count, step) {
  const control = (name, label, change) =>
    el("button", { type: "button", "aria-label": label, onclick: step(change) }, icon(name));
  return el(
    "fieldset",
    { class: "field" },
    el("legend", {}, t("fetuses")),
    el("div", { class: "stepper" }, control("remove", t("fewer"), -1), count, control("add", t("more"), 1)),
  );
}

/** What is wrong with an operator's id; "" is none and right. */
export function operatorFault(text) {
  return !text || new RegExp(`^${OPERATOR}$`).test(text) ? "" : t("start_operator");
}
