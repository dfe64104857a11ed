// What a tap or a key means, as an order or as a question before one. Every order names the exam that was on the screen.

import { t } from "./language.js";
import { pressTaken } from "./freeze.js";
import { sendOrder } from "./orders.js";
import { askBareConfirm, askEnd, askPlane, askReason, showPicture } from "./questions.js";
import { closeSheet } from "./sheet.js";
import { showMap } from "./map.js";

const BOUNCE_MS = 700; // a wet glove taps twice; the second tap would take back what the first one said

/** Commands over `page`: {view, link, take(view), fail({error, cure, word}), openExams(), redraw()}. */
export function commandsOf(page) {
  const tapped = new Map();

  function isBounce(key) {
    const now = performance.now();
    const before = tapped.get(key) ?? -Infinity;
    tapped.set(key, now);
    return now - before < BOUNCE_MS;
  }

  async function send(name, fields = {}) {
    if (page.link.state !== "ok") {
      page.fail({ error: t("link_lost"), cure: t("ai_off_manual") });
      return false;
    }
    const done = await sendOrder(name, { by: operator(page.view.exam), ...fields });
    if (!done.view) page.fail(done);
    else page.take(done.view, { isReply: true });
    return Boolean(done.view);
  }

  const inExam = (name, fields = {}) => send(name, { exam: page.view.exam.checklist.exam, ...fields });
  const ofPlane = (row) => ({ plane: row.plane, fetus: row.fetus });
  const once = (row, place, act) => (isBounce(`${row.plane}/${row.fetus}/${place}`) ? null : act());

  const commands = {
    send,
    redraw: page.redraw,
    confirm: (row, place) =>
      once(row, place, () => {
        const sendIt = () => inExam("confirm", ofPlane(row));
        return row.frame || row.offered ? sendIt() : askBareConfirm(page.view, row, sendIt);
      }),
    take_back: (row, place) => once(row, place, () => inExam("take_back", ofPlane(row))),
    give_up: (row) => askReason(page.view, row, (reason) => inExam("not_obtainable", { ...ofPlane(row), reason })),
    reassign: (row) => commands.nameFrame(row.frame, row),
    nameFrame: (frame, row = null) =>
      askPlane(page.view, frame, row, {
        name: (plane, fetus) => inExam("reassign", { frame, plane, fetus }),
        putAside: () => inExam("unassign", { frame }),
      }),
    showPicture: (row) => showPicture(page.view, row, commands),
    fetus: (fetus) => inExam("fetus", { fetus }),
    map: () => (page.view?.exam ? showMap() : null),
    pause: () => {
      const { phase } = page.view?.exam?.checklist ?? {};
      if (phase === "paused" && !isBounce("pause")) inExam("continue");
      if (phase === "running" && !isBounce("pause")) inExam("pause");
    },
    end: () => {
      if (page.view.exam.checklist.phase === "ended") page.openExams();
      else askEnd(page.view.exam.checklist.left, () => inExam("end"));
    },
    freeze: async () => {
      const before = page.view?.exam?.checklist;
      if (before?.phase !== "running" || isBounce("freeze") || !(await inExam("freeze"))) return;
      pressTaken(before);
      page.redraw();
    },
    acknowledge: (by) => inExam("acknowledge", { by }),
    nameOperator: (by) => inExam("operator", { by }).then((done) => done && closeSheet()),
    continueExam: (exam) => send("continue", { exam }).then((done) => done && closeSheet()),
    addFetus: (fetus) => inExam("fetus", { fetus }).then((done) => done && closeSheet()),
    open: (fields) => send("open", fields).then((done) => done && closeSheet()),
  };
  return commands;
}

/** The operator's id, as orders carry it; "" where nobody was named or nothing is known. */
export function operator(exam) {
  return !exam?.operator || exam.operator === "unauthenticated" ? "" : exam.operator;
}
