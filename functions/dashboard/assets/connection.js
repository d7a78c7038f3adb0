import { byId } from "./dom.js";
import { happen } from "./session.js";

const RETRY_MS = 2000;
const WORDS_STAY_MS = 3000;

let lost = false;

/** The server did not answer: say so, and ask until it does. */
export function noteSilence() {
  if (!lost) {
    lost = true;
    askLater();
  }
  show(navigator.onLine ? "The server does not answer. Connecting again …" : "You are offline. Waiting for the network …");
}

export function noteAnswer() {
  if (!lost) return;
  lost = false;
  show("Connected again.");
  setTimeout(() => { if (!lost) byId("connection").hidden = true; }, WORDS_STAY_MS);
  happen("reachable-again");
}

/** @param {Response} answer whether it comes from a proxy that found no server behind it */
export const isSilence = (answer) => answer.status === 502 || answer.status === 504;

function askLater() {
  setTimeout(async () => {
    const answer = await fetch("/api/health", { cache: "no-store" }).catch(() => null);
    if (answer && !isSilence(answer)) noteAnswer();
    if (lost) askLater();
  }, RETRY_MS);
}

function show(text) {
  const toast = byId("connection");
  if (toast.textContent !== text) toast.textContent = text;
  toast.dataset.lost = String(lost);
  toast.hidden = false;
}

addEventListener("offline", noteSilence);
