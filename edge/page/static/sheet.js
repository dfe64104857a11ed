// The one dialog beside the picture: a title, a body, a way out.

import { button, el } from "./dom.js";
import { t } from "./language.js";

const CALM_MS = 350; // the second tap of a wet glove must not choose what just came under the finger
const sheet = document.getElementById("sheet");
let onGone = null;
let calm = null;
let isFed = false; // closes when a dialog of an exam would outlive that exam

/** Show `body` under `title`; `gone` is called once, however it closes. `ofExam`: closed when another exam opens. */
export function openSheet(title, body, { gone = null, ofExam = true } = {}) {
  closeSheet();
  onGone = gone;
  isFed = ofExam;
  const close = button("close", t("close"), { onclick: closeSheet });
  sheet.replaceChildren(
    el("div", { class: "sheet-head" }, el("h2", { id: "sheet-title", tabindex: "-1" }, title), close),
    el("div", { class: "sheet-body" }, ...body),
  );
  fit();
  sheet.showModal();
  sheet.dataset.fresh = "true";
  clearTimeout(calm);
  calm = setTimeout(() => delete sheet.dataset.fresh, CALM_MS);
  sheet.querySelector("#sheet-title").focus();
  sheet.querySelector(".sheet-body").scrollTop = 0;
}

/** Between the bar with its banners and the line at the foot. */
function fit() {
  const [page, foot] = ["main", ".foot"].map((name) => document.querySelector(name).getBoundingClientRect());
  sheet.style.setProperty("--sheet-top", `${Math.max(0, page.top)}px`);
  sheet.style.setProperty("--sheet-bottom", `${foot.height}px`);
}

export function closeSheet() {
  if (!sheet.open) return;
  sheet.close();
  empty(); // now: its own event comes after what the caller opens next
}

function empty() {
  const gone = onGone;
  onGone = null;
  sheet.replaceChildren();
  gone?.();
}

/** Close what was about an exam that is not the open one any more. */
export function closeExamSheet() {
  if (isFed) closeSheet();
}

export function isSheetOpen() {
  return sheet.open;
}

window.addEventListener("resize", fit);
sheet.addEventListener("close", () => sheet.open || empty());
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) closeSheet(); // the darkened page beside it
});
