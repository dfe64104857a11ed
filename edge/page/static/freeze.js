// The freeze key: a press waits for its picture, and what became of it is said once the box knows.

import { setIcon, setText } from "./dom.js";
import { t } from "./language.js";

const SAID_MS = 1500;
const ICONS = { freeze: "freeze", keeping: "freeze", kept: "confirm", not_kept: "alarm" };
let press = null; // that waits: {exam, held}; pictures that were held before it
let said = null; // of the last press: "kept", "not_kept"

/** The box has taken this page's press; its answer may be here already. */
export function pressTaken(before) {
  press = { exam: before.exam, held: heldOf(before) };
}

/** Draw the key; "Kept" stands there only when the exam holds the picture. */
export function drawFreeze(key, { exam: { checklist, is_freezing }, engine, store }, redraw) {
  if (press?.exam !== checklist.exam) press = null;
  if (is_freezing) press ??= { exam: checklist.exam, held: heldOf(checklist) };
  else if (press !== null) {
    const wasHeld = engine.ai_on && store.state === "ok"; // answered, and nothing is new: this very picture was kept before
    said = wasHeld || heldOf(checklist) !== press.held ? "kept" : "not_kept";
    press = null;
    setTimeout(() => {
      said = null;
      redraw();
    }, SAID_MS);
  }
  const word = press !== null ? "keeping" : said ?? "freeze";
  setIcon(key.querySelector(".icon"), ICONS[word]);
  setText(key.querySelector(".word b"), t(word));
  setText(key.querySelector("small"), t("freeze_hint"));
}

/** What the exam keeps: a press makes a picture its own, whoever took it first. */
function heldOf({ rows, tray }) {
  return JSON.stringify([rows.map(({ frame, source, offered }) => [frame, source, offered]), tray]);
}
