// What stands in the largest letters: one thing, the most urgent; pure.
//
//     link lost > no signal > AI off > no exam > paused, ended > the answer
//
// Each has its own icon, word and tone: "alarm" (nothing is checked), "idle" (nothing is captured), "other" (no plane),
// "plane". A tone is a colour and a frame, never the only sign.

import { named, span, t } from "./language.js";

const TOLD = ["candidate", "captured", "captured_low", "confirmed"]; // states that tell the hand what to do
const STALE_MS = 2000; // of the picture: as old as an answer may be

/** {kind, tone, icon, title, why, detail, confidence, now} of a view; `view` null before the first. */
export function headlineOf(view, link) {
  if (link.state === "lost") {
    return head("link_lost", "alarm", "link_lost", t("ai_off"), `${t("link_lost")}. ${t("link_lost_why")}`);
  }
  if (view === null) return head("connecting", "idle", "wait", t("connecting"), t("connecting_why"));
  const { source, engine, exam } = view;
  if (source.signal === "lost") {
    return head("no_signal", "alarm", "no_signal", t("no_signal"), t("no_signal_why"), engine.cause);
  }
  if (source.signal === "ended" && !engine.ai_on) {
    const why = t(engine.cause ? "source_broke_why" : "source_ended_why");
    return head("source_ended", "alarm", "end", t("source_ended"), why, engine.cause);
  }
  if (!engine.ai_on) return aiOff(engine);
  if (exam === null) return head("idle", "idle", "exam", t("idle"), t("idle_why"));
  const { phase, live } = exam.checklist;
  if (phase === "paused") return head("paused", "idle", "pause", t("paused"), t("paused_why"));
  if (phase === "ended") return head("ended", "idle", "end", t("ended"), t("ended_why"));
  return live === null || live.is_off ? aiOff(engine) : answer(view, live);
}

/** What must be written over the picture, or null: {icon, text, tone, isOld}. */
export function pictureState(view, link, age_ms) {
  if (age_ms === null) return null;
  const old = age_ms < 1000 ? t("old_picture_now") : t("old_picture", span(age_ms / 1000));
  if (link.state === "lost") return { icon: "link_lost", text: old, tone: "alarm", isOld: true };
  if (view === null) return null;
  if (view.source.signal === "lost") return { icon: "no_signal", text: old, tone: "alarm", isOld: true };
  if (view.source.signal === "ended") return { icon: "end", text: t("source_ended"), tone: "idle", isOld: true };
  if (view.source.signal === "frozen") return { icon: "frozen", text: t("frozen_picture"), tone: "frozen", isOld: false };
  return age_ms > STALE_MS ? { icon: "wait", text: old, tone: "alarm", isOld: true } : null;
}

/** The plane's name in the language of the page; a refusal is a name as well. */
export function answerName(view, answer) {
  if (answer === "not_standard" || answer === "not_covered") return t(answer);
  const row = view.exam?.checklist.rows.find((one) => one.plane === answer);
  const label = row ?? view.model.labels.find((one) => one.id === answer);
  return label ? named(label) : answer;
}

function aiOff(engine) {
  let why = t("engine_late");
  if (engine.state === "waiting" && engine.cause) why = t("engine_failed");
  else if (engine.state !== "ready") why = t(`engine_${engine.state}`);
  else if (engine.age_s !== null) why = t("engine_late_s", span(engine.age_s));
  return head("ai_off", "alarm", "off", t("ai_off"), `${why} ${t("ai_off_manual")}`, engine.cause);
}

function answer(view, live) {
  const title = answerName(view, live.answer);
  if (live.answer === "not_standard") {
    return head("not_standard", "other", "other_plane", title, t("not_standard_why"));
  }
  if (live.answer === "not_covered") {
    const why = view.model.has_threshold ? t("not_covered_why") : t("no_threshold_why");
    return head("not_covered", "other", "not_covered", title, why);
  }
  const { rows, fetus } = view.exam.checklist;
  const state = rows.find((row) => row.plane === live.answer && row.fetus === fetus)?.state;
  return { ...head("plane", "plane", "plane", title, ""), confidence: live.confidence, now: TOLD.includes(state) ? state : null };
}

function head(kind, tone, icon, title, why, detail = "") {
  return { kind, tone, icon, title, why, detail, confidence: null, now: null };
}
