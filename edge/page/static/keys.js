// The keyboard: every order without a pointer, and the overlay that says how.

import { button, el } from "./dom.js";
import { firstRow } from "./checklist.js";
import { named, remember, remembered, t } from "./language.js";
import { actionOf } from "./row.js";
import { isSheetOpen, openSheet } from "./sheet.js";

const SHORTCUTS = "shortcuts";
const PLACES = { c: "confirm", r: "reassign", n: "give_up" };

/** Listen; `page` is as the commands have it. */
export function listenForKeys(page, commands) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || isTyping(event.target)) return;
    if (act(event, page, commands)) event.preventDefault();
  });
  // a finger leaves no focus behind: Space, often a foot switch, then stays the freeze key
  document.addEventListener("click", (event) => {
    const pressed = event.detail > 0 && event.target.closest?.("main button, header button");
    if (pressed && !document.querySelector("dialog[open]")) pressed.blur();
  });
}

/** Whether single keys act; who speaks to the computer turns them off (WCAG 2.1.4). */
function hasShortcuts() {
  return remembered(SHORTCUTS) !== "off";
}

function act(event, page, commands) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (document.getElementById("change").open) return false;
  if (isSheetOpen() && key !== "f") return false;
  if (key === "ArrowDown" || key === "ArrowUp") return moveRow(key === "ArrowDown" ? 1 : -1);
  if (!hasShortcuts()) return false;
  if (key === " ") {
    if (event.target.closest("button, a, [role=group]")) return false;
    commands.freeze();
    return true;
  }
  const does = actions(page, commands)[key];
  if (does) {
    does();
    return true;
  }
  if (/^[1-9]$/.test(key)) return chooseFetus(Number(key), page, commands);
  return actOnRow(key, commands);
}

function actions(page, commands) {
  return {
    f: commands.freeze,
    m: commands.map,
    p: commands.pause,
    e: page.openExams,
    l: page.switchLanguage,
    "?": () => openHelp(page),
    "/": () => openHelp(page),
  };
}

function actOnRow(key, commands) {
  const row = document.activeElement.closest(".row")?.row;
  if (!row || !(key in PLACES || key === "t")) return false;
  if (key === "t") {
    if (["confirmed", "not_obtainable"].includes(row.state)) commands.take_back(row, "t");
    return true;
  }
  const action = actionOf(row, PLACES[key]);
  if (action !== null && action !== "take_back") commands[action](row, PLACES[key]);
  return true;
}

function chooseFetus(fetus, page, commands) {
  const checklist = page.view?.exam?.checklist;
  if (!checklist || fetus > checklist.fetuses || checklist.fetuses < 2) return false;
  commands.fetus(fetus);
  return true;
}

function moveRow(step) {
  const rows = [...document.querySelectorAll(".row")];
  if (!rows.length) return false;
  const here = rows.indexOf(document.activeElement.closest(".row"));
  const next = here < 0 ? firstRow(document) : rows[Math.min(rows.length - 1, Math.max(0, here + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function isTyping(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** The overlay: keys, and what this box runs. */
export function openHelp(page) {
  const keys = [
    [`${t("key_space")} F`, t("freeze")], ["P", t("keys_pause")], ["M", t("keys_map")], ["↑ ↓", t("keys_rows")],
    ["C", t("keys_confirm")], ["R", t("keys_reassign")], ["N", t("keys_give_up")], ["T", t("keys_take_back")],
    ["1 2 …", t("keys_fetus")], ["E", t("keys_exams")], ["L", t("keys_language")], ["?", t("keys_help")], ["Esc", t("keys_close")],
  ];
  const lines = keys.flatMap(([names, text]) => [
    el("dt", {}, ...names.split(" ").flatMap((name) => [el("kbd", {}, name), " "])),
    el("dd", {}, text),
  ]);
  openSheet(t("keys_title"), [shortcutSwitch(), el("dl", { class: "keys" }, ...lines), ...about(page.view)], { ofExam: false });
}

function shortcutSwitch() {
  const node = button("confirm", "", { role: "switch" });
  const draw = () => {
    node.setAttribute("aria-checked", String(hasShortcuts()));
    node.querySelector(".word").textContent = t("pair", t("keys_on"), t(hasShortcuts() ? "on" : "off"));
  };
  node.addEventListener("click", () => {
    remember(SHORTCUTS, hasShortcuts() ? "off" : "on");
    draw();
  });
  draw();
  return node;
}

function about(view) {
  if (view === null) return [];
  const { model, engine, exam } = view;
  const facts = [
    [t("model_title"), model.name],
    [t("model_digest"), model.digest.slice(0, 16)],
    [t("model_machines"), model.machines.join(", ") || t("none")],
    exam && [t("model_protocol"), named({ en: exam.protocol_en, zh: exam.protocol_zh })],
  ].filter(Boolean);
  return [
    el("h3", {}, t("model_title")),
    el("dl", { class: "facts-table" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    el("p", { class: "soft" }, t("counts", engine.answered, engine.dropped, engine.restarts)),
    ...model.notices.map((notice) => el("p", { class: "soft" }, named(notice))),
    el("p", { class: "soft" }, named(view.research_use)),
  ];
}
