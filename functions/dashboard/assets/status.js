import { noteAnswer, noteSilence } from "./connection.js";
import { byId, element, say } from "./dom.js";

const EVERY_MS = 5000;
const KEPT = 24; // latencies drawn of each part
const TALLEST_MS = 50;

const VERDICTS = {
  ok: ["Everything works.", "Each part is asked every five seconds."],
  degraded: ["Some of it is away.", "What needs the parts marked below waits or is refused; the rest goes on."],
  unattended: ["Nobody paints.", "No worker is there, so pictures wait. They begin as soon as one is back."],
  down: ["It is down.", "Without its database nothing can be answered. Nothing is lost."],
  silent: ["The server does not answer.", "Asking again every five seconds."],
};

const latencies = new Map();

async function ask() {
  const answer = await fetch("/api/health", { cache: "no-store" }).catch(() => null);
  const health = await answer?.json().catch(() => null);
  if (health?.dependencies) noteAnswer();
  else noteSilence();
  show(health?.dependencies ? health : { status: "silent", dependencies: {} });
}

function show({ status, dependencies, tasks }) {
  const [words, detail] = VERDICTS[status === "degraded" && isUnattended(dependencies, tasks) ? "unattended" : status];
  const verdict = byId("verdict-words");
  if (verdict.textContent !== words) verdict.textContent = words;
  byId("verdict").dataset.status = status;
  say(byId("verdict-detail"), detail);
  for (const row of document.querySelectorAll("[data-name]")) showPart(row, dependencies[row.dataset.name]);
  byId("dependencies").ariaBusy = "false";
  byId("asked").textContent = `Asked at ${new Date().toLocaleTimeString()}`;
}

function isUnattended(dependencies, tasks) {
  return tasks?.workers === "none" && Object.values(dependencies).every((part) => part.status === "ok");
}

function showPart(row, part) {
  row.dataset.status = part?.status ?? "unknown";
  row.querySelector(".latency").textContent = !part ? "unknown" : part.status === "ok" ? `${part.latency_ms.toFixed(1)} ms` : "away";
  const known = latencies.get(row.dataset.name) ?? [];
  known.push(part?.latency_ms ?? null);
  latencies.set(row.dataset.name, known.slice(-KEPT));
  row.querySelector(".pulse").replaceChildren(...known.slice(-KEPT).map(bar));
}

function bar(latency) {
  const made = element("i", { class: latency === null ? "gap" : "" });
  made.style.height = latency === null ? "100%" : `${Math.min(100, 12 + (88 * latency) / TALLEST_MS)}%`;
  return made;
}

setInterval(() => document.hidden || ask(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || ask());
ask();
