// A row of the checklist: picture, name, state, and three places for the finger that never move.

import { button, el, icon, keep, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { named, t } from "./language.js";
import { pictureAddress } from "./orders.js";

const SOURCES = { machine: "kept_by_machine", freeze: "kept_by_freeze", store: "kept_by_store" };

/** An empty row; `commands` carry out what its buttons say about `node.row`. */
export function makeRow(commands) {
  const node = el("li", { class: "row", tabindex: "-1" });
  const slot = (place) =>
    el("button", { type: "button", class: "needs-box", "data-place": place, onclick: () => act(node, place, commands) });
  node.append(
    el("div", { class: "thumb-place" }),
    el(
      "div",
      { class: "what" },
      el("span", { class: "name" }),
      el("span", { class: "state" }, icon("missing"), el("span", { class: "word" })),
    ),
    el("div", { class: "row-actions" }, slot("confirm"), slot("reassign"), slot("give_up")),
  );
  node.querySelectorAll("button").forEach((one) => one.append(icon("confirm"), el("span", { class: "word" })));
  return node;
}

/** Bring a row up to date; nothing is touched that says the same. */
export function fillRow(node, exam, row, commands) {
  node.row = row;
  setAttribute(node, "data-plane", row.plane);
  setAttribute(node, "data-state", row.state);
  setAttribute(node, "data-low", row.low_quality && ["captured_low", "confirmed"].includes(row.state) ? "true" : null);
  fillThumb(node.querySelector(".thumb-place"), exam, row, commands);
  const name = node.querySelector(".name");
  setText(name, row.required ? named(row) : `${named(row)} (${t("optional")})`);
  setIcon(node.querySelector(".state .icon"), row.state);
  setText(node.querySelector(".state .word"), stateText(row));
  fillBars(node.querySelector(".state"), row);
  for (const slot of node.querySelectorAll(".row-actions button")) {
    const action = actionOf(row, slot.dataset.place);
    setHidden(slot, action === null);
    if (action === null) continue;
    setIcon(slot.querySelector(".icon"), action === "give_up" ? "not_obtainable" : action);
    setText(slot.querySelector(".word"), t(action));
    const long = ["reassign", "give_up"].includes(action) ? `${action}_long` : action;
    setAttribute(slot, "aria-label", t("action_for", `${t(action)}, ${t(long)}`.replace(/^(.+), \1$/, "$1"), named(row)));
  }
}

/** What a place of a row does now, or null. A word of the user is taken back where it was given. */
export function actionOf(row, place) {
  const { state } = row;
  if (place === "confirm") {
    if (state === "confirmed") return "take_back";
    return state !== "not_obtainable" || row.frame || row.offered ? "confirm" : null;
  }
  if (place === "reassign") return row.frame ? "reassign" : null;
  if (state === "confirmed") return null;
  return state === "not_obtainable" ? "take_back" : "give_up";
}

/** The state in words, with the user's reason. */
export function stateText(row) {
  if (row.state === "not_obtainable") {
    const reason = t("pair", t("state_not_obtainable"), reasonText(row.reason));
    return row.offered ? t("offered_after", reason) : reason;
  }
  if (row.state === "confirmed") {
    if (!row.frame) return t("state_confirmed_bare");
    return t(row.low_quality ? "state_confirmed_low" : "state_confirmed");
  }
  return t(`state_${row.state}`);
}

/** How a stored picture came. */
export function sourceText(row) {
  return row.source in SOURCES ? t(SOURCES[row.source]) : "";
}

/** Three bars and, for a reader, their word. */
export function barsOf(step, size = "small") {
  const bars = el("span", { class: `bars ${size}`, "data-step": step }, el("i"), el("i"), el("i"));
  bars.setAttribute("role", "img");
  bars.setAttribute("aria-label", t("pair", t("confidence"), t(`confidence_${step}`)));
  return bars;
}

function act(node, place, commands) {
  const action = actionOf(node.row, place);
  if (action !== null) commands[action](node.row, place);
}

function reasonText(reason) {
  const codes = ["fetal_position", "acoustic_shadow", "gestational_age", "other"];
  return codes.includes(reason) ? t(`reason_${reason}`) : reason;
}

function fillThumb(place, exam, row, commands) {
  const frame = row.frame ?? row.offered;
  const [node] = keep(place, [frame ?? "none"], () => {
    if (frame === null) return el("div", { class: "thumb empty" }, icon(row.state));
    const picture = el("img", { src: pictureAddress(exam, frame), alt: "", loading: "lazy", decoding: "async" });
    return el("button", { type: "button", class: "thumb", onclick: () => commands.showPicture(place.parentElement.row) }, picture);
  });
  if (frame === null) setIcon(node.querySelector(".icon"), row.state);
  else setAttribute(node, "aria-label", t("picture_of", named(row)));
}

function fillBars(state, row) {
  const step = row.frame && row.state !== "not_obtainable" ? row.confidence : null;
  const old = state.querySelector(".bars");
  if (old?.dataset.step === (step ?? undefined) && old?.ariaLabel?.startsWith(t("confidence"))) return;
  old?.remove();
  if (step) state.append(barsOf(step));
}
