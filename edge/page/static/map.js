// The engine's map over the newest frame, on demand: with what it is, and what it is not.

import { el, icon } from "./dom.js";
import { failureLines } from "./failure.js";
import { t } from "./language.js";
import { fetchMap } from "./orders.js";
import { openSheet } from "./sheet.js";

export async function showMap() {
  const place = el("div", { class: "shown", "aria-live": "polite" }, el("p", { class: "soft" }, t("map_loading")));
  openSheet(t("map_title"), [
    place,
    el("p", {}, t("map_caption")),
    el("p", { class: "caution" }, icon("alarm"), el("span", {}, t("map_warning"))),
  ]);
  const answer = await fetchMap();
  if (!answer.blob) {
    place.replaceChildren(el("div", { class: "wrong" }, icon("alarm"), failureLines(answer)));
    return;
  }
  const bitmap = await createImageBitmap(answer.blob);
  const canvas = el("canvas", { role: "img", "aria-label": t("map_alt"), width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  place.replaceChildren(canvas);
}
