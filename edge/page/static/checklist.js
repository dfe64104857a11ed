// The right side: what is left, the fetus that is scanned, pictures to be named, planes by body region.

import { el, icon, keep, setAttribute, setHidden, setText } from "./dom.js";
import { answerName } from "./headline.js";
import { named, span, t } from "./language.js";
import { pictureAddress } from "./orders.js";
import { fillRow, makeRow } from "./row.js";

const DONE = ["captured", "confirmed", "not_obtainable"];

/** A list in `root`; `draw(view)` brings it up to date. */
export function checklistOn(root, commands) {
  const parts = {
    left: el("div", { class: "left" }),
    fetuses: el("div", { class: "fetuses", role: "group" }),
    tray: el("div", { class: "tray" }),
    regions: el("div", { class: "regions" }),
  };
  const seen = { exam: null, fetus: null }; // after the end a fetus is only looked at, not scanned

  function draw(view) {
    const { checklist } = view.exam;
    if (!parts.left.isConnected) root.replaceChildren(...Object.values(parts));
    const fetus = shownFetus(seen, checklist);
    drawLeft(parts.left, checklist);
    drawFetuses(parts.fetuses, checklist, fetus, (wanted) => {
      if (checklist.phase === "ended") seen.fetus = wanted;
      else commands.fetus(wanted);
      if (checklist.phase === "ended") draw(view);
    });
    drawTray(parts.tray, view, commands);
    drawRegions(parts.regions, view, fetus, commands);
    if (parts.regions.dataset.of === `${checklist.exam}/${fetus}`) return;
    parts.regions.dataset.of = `${checklist.exam}/${fetus}`;
    parts.regions.scrollTop = 0;
  }

  return { draw };
}

function shownFetus(seen, checklist) {
  if (seen.exam !== checklist.exam || checklist.phase !== "ended") {
    [seen.exam, seen.fetus] = [checklist.exam, checklist.fetus];
  }
  return seen.fetus;
}

function drawLeft(node, checklist) {
  const required = checklist.rows.filter((row) => row.required).length;
  const complete = checklist.left === 0;
  setAttribute(node, "data-complete", complete ? "true" : null);
  if (node.dataset.kind !== String(complete)) {
    node.dataset.kind = String(complete);
    const title = complete
      ? el("h2", {}, icon("confirmed"), el("span", { class: "unit" }))
      : el("h2", {}, el("span", { class: "number" }), el("span", { class: "unit" }));
    node.replaceChildren(title, el("div", { class: "facts" }, el("p"), el("p")), el("div", { class: "pips", "aria-hidden": "true" }));
  }
  if (complete) setText(node.querySelector(".unit"), t("complete"));
  else {
    setText(node.querySelector(".number"), String(checklist.left));
    setText(node.querySelector(".unit"), `${t("left")} ${t("left_of", required)}`);
  }
  const more = [];
  if (checklist.weak) more.push(el("b", {}, t("weak", checklist.weak)));
  if (checklist.not_covered) more.push(t("uncovered", checklist.not_covered));
  const [first, second] = node.querySelectorAll(".facts p");
  const facts = more.flatMap((part, place) => (place ? [" · ", part] : [part]));
  if (first.textContent !== facts.map((part) => part.textContent ?? part).join("")) first.replaceChildren(...facts);
  setText(second, complete ? t("complete_why") : t("since_progress", span(checklist.since_progress_s)));
  const pips = keep(node.querySelector(".pips"), checklist.rows.map(keyOf), () => el("i"));
  pips.forEach((pip, place) => setAttribute(pip, "data-state", checklist.rows[place].state));
}

function drawFetuses(node, checklist, shown, choose) {
  setHidden(node, checklist.fetuses < 2);
  setAttribute(node, "aria-label", t("fetuses_tabs"));
  const numbers = Array.from({ length: checklist.fetuses }, (_, place) => place + 1);
  keep(node, numbers.map(String), (key) =>
    el("button", { type: "button", onclick: () => node.choose(Number(key)) }, icon("confirm"), el("span"), el("small")),
  ).forEach((tab, place) => {
    const mine = checklist.rows.filter((row) => row.fetus === place + 1);
    const left = mine.filter((row) => row.is_left).length;
    setAttribute(tab, "aria-pressed", String(place + 1 === shown));
    setText(tab.querySelector("span"), t("fetus", place + 1));
    setText(tab.querySelector("small"), left ? t("fetus_left", left) : t("fetus_done"));
  });
  node.choose = choose;
}

function drawTray(node, view, commands) {
  const { tray, exam } = view.exam.checklist;
  setHidden(node, tray.length === 0);
  if (!node.firstChild) node.append(el("h2", {}, icon("tray"), el("span")), el("ul"));
  setText(node.querySelector("h2 span"), tray.length === 1 ? t("tray_one") : t("tray", tray.length));
  keep(node.querySelector("ul"), tray, (frame) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "thumb", onclick: () => commands.nameFrame(frame) },
        el("img", { src: pictureAddress(exam, frame), alt: "", decoding: "async" }),
      ),
    ),
  ).forEach((item, place) => {
    const answer = answerName(view, view.exam.tray_answers[place]);
    setAttribute(item.firstChild, "aria-label", t("tray_picture", answer));
  });
}

function drawRegions(node, view, fetus, commands) {
  const { checklist, late_stills } = view.exam;
  const rows = checklist.rows.filter((row) => row.fetus === fetus);
  const regions = [...new Set(rows.map((row) => row.region))];
  const keys = [...(late_stills ? ["late"] : []), ...regions.map((region) => `${checklist.exam}/${fetus}/${region}`)];
  keep(node, keys, (key) =>
    key === "late" ? el("p", { class: "late" }) : el("section", { class: "region" }, el("h3"), el("ul")),
  ).forEach((part, place) => {
    if (keys[place] === "late") return setText(part, t("late_stills", late_stills));
    const mine = rows.filter((row) => row.region === regions[place - (late_stills ? 1 : 0)]);
    setText(part.querySelector("h3"), named({ en: mine[0].region_en, zh: mine[0].region_zh }));
    const items = keep(part.querySelector("ul"), mine.map(keyOf), () => makeRow(commands));
    return items.forEach((item, number) => fillRow(item, checklist.exam, mine[number], commands));
  });
}

/** Rows that are left come first to the eye of a keyboard as well: the first of them, else the first of all. */
export function firstRow(root) {
  const rows = [...root.querySelectorAll(".row")];
  return rows.find((node) => !DONE.includes(node.dataset.state)) ?? rows[0] ?? null;
}

function keyOf(row) {
  return `${row.plane}/${row.fetus}`;
}
