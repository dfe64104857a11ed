// What a screen reader hears: changes of state, never each frame.

import { namedRow, t } from "./language.js";
import { stateText } from "./row.js";

const TOLD = ["captured", "captured_low", "confirmed", "not_obtainable"];
const LASTING = ["plane", "not_standard", "not_covered"]; // kinds that change with the frames
const said = document.getElementById("said");
const alarmed = document.getElementById("alarmed");
const last = { kind: "connecting", exam: null, states: new Map() };

/** Tell what is new since the last call. */
export function announce(view, headline) {
  const kind = LASTING.includes(headline.kind) ? "answer" : headline.kind;
  if (kind !== last.kind) {
    if (headline.tone === "alarm") alarmed.textContent = `${headline.title}. ${headline.why} ${headline.detail}`;
    else said.textContent = kind === "answer" ? t(last.kind === "link_lost" ? "said_link_back" : "said_ai_on") : headline.title;
    if (headline.tone !== "alarm") alarmed.textContent = "";
    last.kind = kind;
  }
  const checklist = view?.exam?.checklist;
  if (!checklist) return;
  const isSame = last.exam === checklist.exam;
  for (const row of checklist.rows) {
    const key = `${row.plane}/${row.fetus}`;
    if (isSame && last.states.get(key) !== row.state && TOLD.includes(row.state)) {
      said.textContent = t("pair", namedRow(row, checklist.fetuses), stateText(row));
    }
    last.states.set(key, row.state);
  }
  last.exam = checklist.exam;
}
