// The second tap: what is asked before an order, beside the live picture.

import { button, el, icon } from "./dom.js";
import { answerName } from "./headline.js";
import { named, namedRow, t } from "./language.js";
import { pictureAddress } from "./orders.js";
import { actionOf, barsOf, sourceText, stateText } from "./row.js";
import { closeSheet, openSheet } from "./sheet.js";

const REASONS = ["fetal_position", "acoustic_shadow", "gestational_age"];
const MAX_REASON = 200; // characters, as the box takes them

/** Close the sheet, then do it. */
function choice(name, text, act, attributes = {}) {
  return button(name, text, {
    ...attributes,
    onclick: () => {
      closeSheet();
      act();
    },
  });
}

export function askBareConfirm(view, row, confirm) {
  openSheet(titleOf(view, row), [
    el("p", {}, t("ask_confirm_bare")),
    el(
      "div",
      { class: "choices" },
      choice("confirm", t("ask_confirm_bare_yes"), confirm, { class: "strong" }),
      choice("close", t("cancel"), () => {}),
    ),
  ]);
}

export function askReason(view, row, giveUp) {
  const words = el("input", { id: "reason-words", maxlength: MAX_REASON, autocomplete: "off" });
  const other = () => giveUp(words.value.trim() || "other");
  openSheet(titleOf(view, row), [
    el("p", {}, t("ask_reason")),
    el(
      "div",
      { class: "choices" },
      ...REASONS.map((reason) => choice("not_obtainable", t(`reason_${reason}`), () => giveUp(reason))),
    ),
    el(
      "div",
      { class: "choices" },
      el("div", { class: "field" }, el("label", { for: "reason-words" }, t("reason_words")), words),
      choice("not_obtainable", t("reason_other"), other),
    ),
  ]);
}

export function askEnd(left, end) {
  openSheet(t("ask_end"), [
    el("p", {}, left ? t("ask_end_left", left) : t("ask_end_done")),
    el(
      "div",
      { class: "choices" },
      choice("end", t("end"), end, { class: left ? "grave" : "strong" }),
      choice("close", t("cancel"), () => {}),
    ),
  ]);
}

/** Which plane a stored picture shows; `row` that keeps it now, or null for one of the tray. */
export function askPlane(view, frame, row, { name, putAside }) {
  const { checklist, tray_answers } = view.exam;
  const said = row ? null : tray_answers[checklist.tray.indexOf(frame)];
  let fetus = row?.fetus ?? checklist.fetus;
  const list = el("div", { class: "choices" });
  const tabs = el("div", { class: "fetuses", role: "group", "aria-label": t("fetuses_tabs") });

  function draw() {
    const numbers = Array.from({ length: checklist.fetuses }, (_, place) => place + 1);
    const choose = (number) => () => {
      fetus = number;
      draw();
      tabs.children[number - 1].focus();
    };
    tabs.hidden = numbers.length < 2;
    tabs.replaceChildren(
      ...numbers.map((number) => button("confirm", t("fetus", number), { "aria-pressed": String(number === fetus), onclick: choose(number) })),
    );
    const rows = checklist.rows.filter((one) => one.fetus === fetus && !(one.plane === row?.plane && fetus === row?.fetus));
    list.replaceChildren(...rows.map((one) => planeChoice(one, () => name(one.plane, one.fetus))));
  }

  draw();
  openSheet(row ? titleOf(view, row) : t("tray_one"), [
    picture(view, frame, t("ask_plane"), "shown small"),
    said && el("p", { class: "soft" }, t("model_said", answerName(view, said))),
    row && el("div", { class: "choices" }, choice("tray", t("none_of_these"), putAside)),
    el("h3", {}, t("ask_plane")),
    tabs,
    list,
  ]);
}

/** The stored picture of a row, large, with what can be said about it. */
export function showPicture(view, row, commands) {
  const act = (place) => {
    const action = actionOf(row, place);
    if (action === null) return "";
    const text = t(["reassign", "give_up"].includes(action) ? `${action}_long` : action);
    return choice(action === "give_up" ? "not_obtainable" : action, text, () => commands[action](row, place));
  };
  const confidence = row.confidence && t("pair", t("confidence"), t(`confidence_${row.confidence}`));
  const one = (frame) => frame && picture(view, frame, t("picture_of", named(row)), "shown");
  openSheet(titleOf(view, row), [
    one(row.frame),
    row.offered && el("h3", {}, t("offered")),
    one(row.offered),
    el("p", {}, stateText(row)),
    row.frame &&
      el("p", { class: "soft" }, [sourceText(row), confidence].filter(Boolean).join(" · "), " ", row.confidence && barsOf(row.confidence)),
    el("div", { class: "choices" }, act("confirm"), act("reassign"), act("give_up")),
    view.source.credit && el("p", { class: "soft" }, view.source.credit),
  ]);
}

function titleOf(view, row) {
  return namedRow(row, view.exam.checklist.fetuses);
}

function picture(view, frame, alt, kind) {
  return el("div", { class: kind }, el("img", { src: pictureAddress(view.exam.checklist.exam, frame), alt }));
}

function planeChoice(row, act) {
  const text = row.frame ? t("replaces", stateText(row)) : stateText(row);
  return el(
    "button",
    {
      type: "button",
      onclick: () => {
        closeSheet();
        act();
      },
    },
    icon(row.state),
    el("span", { class: "word" }, named(row), el("small", {}, text)),
  );
}
