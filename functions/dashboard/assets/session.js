/**
 * What the tabs of one browser tell each other, and what a tab tells itself. No message holds a
 * token: those are in cookies that no script can read.
 */
const channel = new BroadcastChannel("lampwork");

/** @param {"signed-in" | "signed-out" | "task-made" | "task-deleted"} what */
export function tellOtherTabs(what, detail = null) {
  channel.postMessage({ what, detail });
}

/** @param {(detail: any) => void} then */
export function onOtherTab(what, then) {
  channel.addEventListener("message", ({ data }) => data.what === what && then(data.detail));
}

/** @param {"session-ended" | "session-resumed" | "reachable-again"} what */
export function happen(what) {
  document.dispatchEvent(new Event(what));
}

export function onHere(what, then, options) {
  document.addEventListener(what, then, options);
}

/** Run alone among the tabs; side by side where the browser has no locks (plain http). */
export function alone(task) {
  return navigator.locks ? navigator.locks.request("lampwork-session", task) : task();
}

const REFRESH_KEY = "lampwork-refresh";
let refreshKey = "";

/**
 * The Idempotency-Key of the refresh under way. Every tab sends the same one until an answer has
 * come, be it after a night's sleep: the server then gives a lost answer again.
 */
export function keyOfRefresh() {
  refreshKey = stored() || refreshKey || [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  store(refreshKey);
  return refreshKey;
}

export function forgetKeyOfRefresh() {
  refreshKey = "";
  store("");
}

// A browser may forbid a page to store anything: then the key lasts as long as the page.
function stored() {
  try {
    return localStorage.getItem(REFRESH_KEY);
  } catch {
    return null;
  }
}

function store(key) {
  try {
    if (key) localStorage.setItem(REFRESH_KEY, key);
    else localStorage.removeItem(REFRESH_KEY);
  } catch {
    // as above
  }
}
