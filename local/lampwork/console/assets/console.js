// Keeps the parts of a page that are marked data-live up to date, until somebody pauses it.

const EVERY = 2000;
const KEY = "lampwork-console-paused";
const pause = document.querySelector("#pause");

function isPaused() {
  return sessionStorage.getItem(KEY) === "yes";
}

// An XMLHttpRequest parses HTML without running it, and needs no trusted type.
function fetched(address) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.timeout = 10000;
    request.onloadend = () => resolve(request.status === 200 ? request.responseXML : null);
    request.send();
  });
}

function isInUse(part) {
  const selection = document.getSelection();
  return (
    part.contains(document.activeElement) ||
    (selection && !selection.isCollapsed && part.contains(selection.anchorNode))
  );
}

function opened(part) {
  return [...part.querySelectorAll("details[open][id]")].map(({ id }) => id);
}

async function update() {
  if (isPaused() || document.hidden) return;
  const page = await fetched(location.href);
  if (!page || isPaused()) return;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(part.id);
    if (!next || isInUse(part) || part.isEqualNode(next)) continue;
    const open = opened(part);
    part.replaceChildren(...document.importNode(next, true).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  }
}

function label() {
  pause.textContent = isPaused() ? "Resume updates" : "Pause updates";
}

async function run() {
  await update();
  setTimeout(run, EVERY);
}

if (document.querySelector("[data-live]")) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    sessionStorage.setItem(KEY, isPaused() ? "no" : "yes");
    label();
    update();
  });
  label();
  setTimeout(run, EVERY);
}
