// The box's words as they come, and the page's own watch over them.
//
//     EventSource --view--> onView      every 250 ms: is the last view younger than 2 s? no: "lost", and try again
//
// The browser's own reconnecting is not enough: it gives up after an error status and never notices a silent line.

export const SCHEMA = 1; // of the view that this page can read
export const LOST_MS = 2000; // a view comes at least once a second; the age at which the box calls a result old as well
const WATCH_MS = 250;
const RETRY_MS = 1000;

/** Call `onView(view)` for each view, and `onLink(link)` four times a second with {state, silent_ms}. */
export function openLink(onView, onLink) {
  let source = null;
  let opened = performance.now();
  let heard = null; // when the last view came

  function open() {
    source?.close();
    opened = performance.now();
    source = new EventSource("/api/events");
    source.addEventListener("open", () => heard !== null && renewToken()); // the service may be another run now
    source.addEventListener("view", (event) => hear(JSON.parse(event.data)));
  }

  function hear(view) {
    heard = performance.now();
    if (view.schema === SCHEMA) onView(view);
    else reloadOnce();
    watch();
  }

  function watch() {
    const now = performance.now();
    const silent_ms = now - (heard ?? opened);
    if (heard === null && silent_ms <= LOST_MS) return onLink({ state: "connecting", silent_ms });
    const lost = heard === null || silent_ms > LOST_MS;
    if (lost && now - Math.max(opened, heard ?? 0) > RETRY_MS) {
      open();
      renewToken(); // it may be there, and ask for the PIN again
    }
    return onLink({ state: lost ? "lost" : "ok", silent_ms: heard === null ? now : silent_ms });
  }

  open();
  setInterval(watch, WATCH_MS);
  document.addEventListener("visibilitychange", watch); // a hidden page's timers are slow
}

/** The token of this service run; it stands in the page, and is read again when the service was started anew. */
export function token() {
  return document.querySelector('meta[name="token"]').content;
}

/** Take the token of the running service; a page that has none is the question for the PIN: go there. */
export async function renewToken() {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const meta = fresh.querySelector('meta[name="token"]');
    if (answer.ok && meta) document.querySelector('meta[name="token"]').content = meta.content;
    else if (answer.status < 500) location.reload();
  } catch {
    // the watch above says that the box is away
  }
}

/** The box speaks another schema than this page: it was updated. */
function reloadOnce() {
  const key = "reloaded";
  if (sessionStorage.getItem(key) === String(SCHEMA)) return;
  sessionStorage.setItem(key, String(SCHEMA));
  location.reload();
}
