// The bar and what stands below it: whose exam, the state of the box in icons and words, what must be told.

import { el, icon, keep, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { named, t } from "./language.js";

const LAMPS = ["signal", "ai", "store"];
const hidden = new Set(); // notices that a person has read in this sitting

export function drawBar(view, link) {
  drawWho(view);
  drawLamps(view, link);
  drawButtons(view);
  drawBanners(view);
}

function drawWho(view) {
  const exam = view?.exam ?? null;
  const entries = exam
    ? [
        ["patient", exam.patient || t("none"), ""],
        ["study", exam.study || t("none"), "soft"],
        ["operator", exam.operator === "unauthenticated" ? t("unauthenticated") : exam.operator, "soft operator"],
      ]
    : [["exam", view ? t("no_exam") : "…", "soft"]];
  keep(document.getElementById("who"), entries.map(([key]) => key), () => el("div", {}, el("dt"), el("dd"))).forEach(
    (node, place) => {
      const [key, value, kind] = entries[place];
      setAttribute(node, "class", kind || null);
      setText(node.querySelector("dt"), t(key));
      setText(node.querySelector("dd"), value);
      setAttribute(node.querySelector("dd"), "title", value);
    },
  );
}

function drawLamps(view, link) {
  const lamps = document.getElementById("lamps");
  const known = view !== null && link.state === "ok";
  const keys = link.state === "lost" ? ["link"] : LAMPS;
  keep(lamps, keys, () =>
    el("li", { class: "lamp" }, icon("signal"), el("span", { class: "what" }), el("b")),
  ).forEach((lamp, place) => {
    const [name, tone, word] = lampOf(keys[place], view, known);
    setAttribute(lamp, "data-tone", tone);
    setIcon(lamp.querySelector(".icon"), name);
    setText(lamp.querySelector(".what"), t(`lamp_${keys[place]}`));
    setText(lamp.querySelector("b"), word);
    setAttribute(lamp, "aria-label", t("pair", t(`lamp_${keys[place]}`), word));
  });
}

function lampOf(key, view, known) {
  if (key === "link") return ["link_lost", "alarm", t("lamp_lost")];
  if (!known) return ["wait", "unknown", "…"];
  if (key === "ai") return view.engine.ai_on ? ["ai", "good", t("lamp_on")] : ["off", "alarm", t("lamp_off")];
  if (key === "store") {
    return view.store.state === "ok" ? ["store", "good", t("lamp_ok")] : ["store", "alarm", t(`lamp_${view.store.state}`)];
  }
  const { signal } = view.source;
  if (signal === "running") return ["signal", "good", t("lamp_on")];
  return signal === "frozen" ? ["frozen", "notice", t("lamp_frozen")] : ["no_signal", "alarm", t(`lamp_${signal}`)];
}

function drawButtons(view) {
  const exams = document.getElementById("open-exams");
  if (!exams.firstChild) exams.append(icon("exam"), el("span", { class: "word" }), el("b", { class: "badge" }));
  const others = view?.others.length ?? 0;
  setText(exams.querySelector(".word"), t("exams"));
  setText(exams.querySelector(".badge"), others ? `+${others}` : "");
  setAttribute(exams, "aria-label", others ? t("exams_others", others) : t("exams"));
  const help = document.getElementById("open-help");
  if (!help.firstChild) help.append(icon("help"));
}

function drawBanners(view) {
  const banners = view === null ? [] : [...storeBanner(view.store), ...noticeBanners(view.model)];
  const place = document.getElementById("banners");
  setHidden(place, banners.length === 0);
  keep(place, banners.map((one) => one.key), (key) => makeBanner(banners.find((one) => one.key === key))).forEach(
    (node, number) => {
      setText(node.querySelector("p span"), banners[number].text);
      setText(node.querySelector("small"), banners[number].detail);
      const button = node.querySelector("button");
      if (button) setText(button, t("understood"));
    },
  );
}

function storeBanner({ state, reason, refused }) {
  if (state === "ok") return [];
  const text = [t(`store_${state}`), refused ? t("store_refused", refused) : ""].filter(Boolean).join(" ");
  return [{ key: "store", tone: "alarm", text, detail: reason, canHide: false }];
}

/** What the bundle wants told: each stays until a person has said so, for this bundle and this sitting. */
function noticeBanners({ notices, digest }) {
  return notices
    .map((notice) => ({ key: `${digest}/${notice.en}`, tone: "notice", text: named(notice), detail: "", canHide: true }))
    .filter(({ key }) => !hidden.has(key));
}

function makeBanner({ key, tone, canHide }) {
  const node = el("div", { class: "banner", "data-tone": tone }, icon("alarm"), el("p", {}, el("span"), el("small", { lang: "en" })));
  if (canHide) {
    const hide = () => {
      hidden.add(key);
      node.remove();
    };
    node.append(el("button", { type: "button", onclick: hide }));
  }
  return node;
}
