// The left side: what is written over the picture, the answer, what the hand does most.

import { button, el, icon, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { drawFreeze } from "./freeze.js";
import { headlineOf, pictureState } from "./headline.js";
import { t } from "./language.js";
import { barsOf } from "./row.js";

const stage = document.getElementById("stage");
const state = document.getElementById("picture-state");
const headline = document.getElementById("headline");
const actions = document.getElementById("actions");

/** Everything of the left side but the picture itself; returns what the headline says. */
export function drawScan(view, link, age_ms, commands) {
  drawPictureState(pictureState(view, link, age_ms), age_ms);
  if (view) drawNotes(view);
  const said = headlineOf(view, link);
  drawHeadline(said);
  drawActions(view, commands);
  return said;
}

function drawPictureState(said, age_ms) {
  setHidden(document.getElementById("no-picture"), age_ms !== null);
  setAttribute(stage, "data-old", said?.isOld ? "true" : null);
  setHidden(state, said === null);
  if (said === null) return;
  if (!state.firstChild) state.append(icon(said.icon), el("span"));
  setAttribute(state, "data-tone", said.tone);
  setIcon(state.querySelector(".icon"), said.icon);
  setText(state.querySelector("span"), said.text);
}

function drawNotes({ source, model }) {
  const mark = document.getElementById("watermark");
  setHidden(mark, !model.watermark && !source.is_demo);
  setAttribute(mark, "data-content", model.watermark ?? (source.is_demo ? t("watermark_demo") : ""));
  const notices = [];
  if (model.watermark) notices.push(model.watermark);
  if (source.is_demo) notices.push(t("demo"));
  if (source.is_measured === false) {
    notices.push(source.scanner ? t("not_measured_named", source.scanner) : t("not_measured"));
  }
  const plain = [];
  if (source.is_measured === null && !source.is_demo) plain.push(t("scanner_unknown"));
  if (source.credit) plain.push(source.credit);
  const notes = document.getElementById("notes");
  const key = JSON.stringify([notices, plain]);
  if (notes.dataset.key === key) return;
  notes.dataset.key = key;
  notes.replaceChildren(
    ...notices.map((text) => el("span", { class: "notice" }, icon("alarm"), el("span", {}, text))),
    ...plain.map((text) => el("span", {}, text)),
  );
}

function drawHeadline(said) {
  const shape = JSON.stringify([said.kind, said.icon, said.confidence, said.now, document.documentElement.lang]);
  if (headline.dataset.shape !== shape) {
    headline.dataset.shape = shape;
    headline.replaceChildren(
      icon(said.icon),
      el("div", {}, el("h2"), el("p", { class: "why" }), el("p", { class: "detail", lang: "en" }), said.now && nowOf(said.now)),
      said.confidence ? confidence(said.confidence) : "",
    );
  }
  setAttribute(headline, "data-kind", said.kind);
  setAttribute(headline, "data-tone", said.tone);
  setText(headline.querySelector("h2"), said.title);
  for (const part of ["why", "detail"]) {
    const line = headline.querySelector(`.${part}`);
    setText(line, said[part]);
    setHidden(line, said[part] === "");
  }
}

function confidence(step) {
  return el("div", { class: "confidence" }, barsOf(step, "large"), el("span", {}, t(`confidence_${step}`)), el("small", {}, t("confidence")));
}

/** What the checklist has of the plane that is seen: hold still, or go on. */
function nowOf(state) {
  return el("p", { class: "now", "data-state": state }, icon(state), el("span", {}, t(`state_${state}`)));
}

function drawActions(view, commands) {
  const exam = view?.exam ?? null;
  setHidden(actions, exam === null);
  if (exam === null) return;
  if (!actions.firstChild) actions.append(...makeActions(commands));
  const [freeze, map, pause, end] = actions.children;
  const { phase } = exam.checklist;
  drawFreeze(freeze, view, commands.redraw);
  setText(map.querySelector(".word"), t("map"));
  setIcon(pause.querySelector(".icon"), phase === "paused" ? "go" : "pause");
  setText(pause.querySelector(".word"), t(phase === "paused" ? "go_on" : "pause"));
  setAttribute(pause, "class", phase === "paused" ? "needs-box strong" : "needs-box");
  setText(end.querySelector(".word"), t(phase === "ended" ? "new_exam" : "end"));
  setIcon(end.querySelector(".icon"), phase === "ended" ? "add" : "end");
  setHidden(pause, phase === "ended");
  setAttribute(freeze, "data-off", phase === "running" ? null : "true");
}

function makeActions(commands) {
  const freeze = button("freeze", "", { class: "freeze strong needs-box", id: "freeze", onclick: commands.freeze });
  freeze.querySelector(".word").append(el("b"), el("small"));
  return [
    freeze,
    button("map", "", { class: "needs-box", id: "map", onclick: commands.map }),
    button("pause", "", { class: "needs-box", id: "pause", onclick: commands.pause }),
    button("end", "", { class: "needs-box", id: "end", onclick: commands.end }),
  ];
}
