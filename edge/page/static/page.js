// The page: one view in, one drawing out.
//
//     link --view--> take --> draw: bar | scan | list | change | announcements
//                      ^-- commands <-- taps, keys

import { announce } from "./announce.js";
import { drawBar } from "./bar.js";
import { drawChange } from "./change.js";
import { checklistOn } from "./checklist.js";
import { commandsOf } from "./commands.js";
import { icon, setAttribute, setText } from "./dom.js";
import { entrance, openExams } from "./exams.js";
import { failure } from "./failure.js";
import { named, switchLanguage, t, translatePage } from "./language.js";
import { openLink } from "./link.js";
import { liveOn } from "./live.js";
import { openHelp, listenForKeys } from "./keys.js";
import { drawScan } from "./scan.js";
import { closeExamSheet } from "./sheet.js";

const list = document.getElementById("list");
const toast = document.getElementById("toast");
const live = liveOn(document.getElementById("live"));
const page = {
  view: null,
  link: { state: "connecting", silent_ms: 0 },
  before: null, // the exam that was on the screen before the box changed it
  take,
  fail: (failed) => {
    const place = document.querySelector("#change[open] .failed") ?? toast; // the change covers the toast
    place.replaceChildren(icon("alarm"), ...failure(failed, () => place.replaceChildren()));
  },
  redraw: draw,
  openExams: () => page.view && openExams(page.view, commands),
  switchLanguage: () => {
    switchLanguage();
    list.replaceChildren();
    translatePage();
    draw();
  },
};
const commands = commandsOf(page);
const checklist = checklistOn(list, commands);

function take(view, { isReply = false } = {}) {
  if (isReply) toast.replaceChildren(); // what failed before is past
  if (isReply && view.number < (page.view?.number ?? 0)) return; // an order's answer may come after a newer view
  const old = page.view?.exam ?? null;
  if (view.exam?.checklist.exam !== old?.checklist.exam) {
    if (view.exam?.is_changed) page.before = old;
    closeExamSheet();
  }
  page.view = view;
  live.follow(view.source.frame);
  draw();
}

function draw() {
  const { view, link } = page;
  setAttribute(document.body, "data-link", link.state);
  drawBar(view, link);
  const said = drawScan(view, link, live.age_ms(), commands);
  if (view) {
    drawList(view);
    drawChange(view, page.before, commands);
    setText(document.getElementById("research-use"), named(view.research_use));
    document.body.dataset.number = view.number; // of what is on the screen; tests wait for it
  }
  for (const node of document.querySelectorAll(".needs-box")) {
    setAttribute(node, "aria-disabled", link.state === "ok" && !node.dataset.off ? null : "true");
  }
  announce(view, said);
}

function drawList(view) {
  if (view.exam) {
    list.removeAttribute("data-others");
    checklist.draw(view);
    return;
  }
  const others = JSON.stringify([view.others, document.documentElement.lang]);
  if (list.getAttribute("data-others") === others && list.firstChild) return;
  list.setAttribute("data-others", others); // drawn only when it changes: someone may be typing
  list.replaceChildren(entrance(view, commands));
}

function watch(link) {
  const changed = link.state !== page.link.state;
  page.link = link;
  if (changed || link.state === "lost" || (live.age_ms() ?? 0) > 1500) draw();
}

document.getElementById("open-exams").addEventListener("click", page.openExams);
document.getElementById("open-help").addEventListener("click", () => openHelp(page));
document.getElementById("switch-language").addEventListener("click", page.switchLanguage);
listenForKeys(page, commands);
translatePage();
draw();
openLink(take, watch);
