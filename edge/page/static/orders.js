// What the user says, sent to the box: one order a request, never repeated by itself but where it was surely not done.

import { renewToken, token } from "./link.js";
import { t } from "./language.js";

const PATIENCE_MS = 8000; // a disk that syncs slowly answers within it

/** Send an order; {view} where it was done, {error, cure, word} where it was not or nobody knows. */
export async function sendOrder(name, fields) {
  try {
    let answer = await posted(name, fields);
    if (answer.status === 403) {
      await renewToken();
      answer = await posted(name, fields);
    }
    const said = await answer.json();
    return answer.ok ? { view: said.view } : { error: said.error ?? String(answer.status), cure: said.cure ?? "", word: said.word ?? "" };
  } catch {
    return { error: t("no_answer"), cure: t("no_answer_cure") };
  }
}

/** The map over the newest frame, as a blob, or {error, cure, word}. */
export async function fetchMap() {
  try {
    const answer = await fetch("/api/attention.png", { signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? { blob: await answer.blob() } : await answer.json();
  } catch {
    return { error: t("no_answer"), cure: "" };
  }
}

function posted(name, fields) {
  return fetch(`/api/orders/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Token": token() },
    body: JSON.stringify(fields),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

/** Address of a stored picture. */
export function pictureAddress(exam, frame) {
  return `/api/exams/${encodeURIComponent(exam)}/frames/${encodeURIComponent(frame)}.jpg`;
}
