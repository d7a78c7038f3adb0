import { call } from "./api.js";
import { Card } from "./card.js";
import { announce, byId, element, notice, onPress } from "./dom.js";
import { onSubmit } from "./form.js";
import { onHere, onOtherTab, tellOtherTabs } from "./session.js";
import { explain } from "./words.js";

const PAGE = 12;
const IDEAS = ["a mountain lake at night under a full moon", "city skyline at sunset", "aurora above snowy mountains"];

const form = byId("compose");
const wall = byId("cards");
const note = byId("wall-note");
const older = byId("older");
const filter = byId("filter");
/** @type {Map<string, Card>} */
const cards = new Map();
let cursor = null;
/** What a repetition of the same request needs to be known as one. */
let attempt = null;

async function load() {
  wall.ariaBusy = "true";
  note.hidden = true;
  try {
    const page = await fetchPage();
    clear();
    page.forEach((task) => hang(task));
    tellIfEmpty();
  } catch (error) {
    clear();
    notice(note, { title: "Your pictures could not be fetched.", text: explain(error), action: "Try again", onAction: load });
  }
  wall.ariaBusy = "false";
}

async function fetchPage(after = null) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (filter.value) query.set("status", filter.value);
  if (after) query.set("cursor", after);
  const page = await call("GET", `/tasks?${query}`);
  cursor = page.next_cursor;
  older.hidden = !cursor;
  return page.items;
}

function clear() {
  for (const card of cards.values()) card.leave();
  cards.clear();
  wall.replaceChildren();
  older.hidden = !cursor;
}

function hang(task, { first = false } = {}) {
  if (cards.has(task.id)) return null;
  const card = new Card(task, { onRetry: begin, onGone: takeDown, onEnd: showUsage });
  cards.set(task.id, card);
  wall[first ? "prepend" : "append"](card.element);
  note.hidden = true;
  return card;
}

function takeDown(card) {
  card.leave();
  cards.delete(card.task.id);
  const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
  card.element.remove();
  announce("Deleted");
  (neighbour?.querySelector("a") ?? byId("prompt")).focus();
  tellIfEmpty();
}

function begin(task) {
  if (filter.value) {
    filter.value = "";
    load();
  } else {
    hang(task, { first: true })?.element.scrollIntoView({ block: "nearest" });
  }
  announce(`Waiting for a painter: ${task.prompt}`);
  showUsage();
}

function tellIfEmpty() {
  if (cards.size) return;
  if (filter.value) {
    notice(note, { title: "None like that.", text: "Other pictures may be there.", action: "Show all", onAction: () => { filter.value = ""; load(); } });
    return;
  }
  notice(note, { title: "The wall is empty.", text: "Describe a picture, or begin with one of these:" });
  const ideas = IDEAS.map((idea) => element("button", { type: "button", class: "secondary", onclick: () => suggest(idea) }, idea));
  note.append(element("div", { class: "ideas" }, ...ideas));
}

function suggest(idea) {
  form.elements.prompt.value = idea;
  form.elements.prompt.focus();
}

async function showUsage() {
  const account = await call("GET", "/auth/me").catch(() => null);
  if (!account) return;
  const { limits, usage } = account.subscription;
  byId("usage").textContent = `${usage.tasks} of ${limits.tasks_per_period} pictures used in this period`;
  for (const option of form.elements.size) {
    option.disabled = Math.max(...option.value.split("x").map(Number)) > limits.longest_side;
  }
}

onSubmit(form, async ({ prompt, size, style, seed }) => {
  const [width, height] = size.split("x").map(Number);
  attempt ??= { key: randomNumbers(4).join("-"), seed: seed ? Number(seed) : randomNumbers(1)[0] };
  const wanted = { prompt, parameters: { width, height, style, seed: attempt.seed } };
  const task = await call("POST", "/tasks", wanted, { headers: { "Idempotency-Key": attempt.key } });
  attempt = null;
  begin(task);
  tellOtherTabs("task-made");
  form.elements.prompt.select();
});

const randomNumbers = (count) => [...crypto.getRandomValues(new Uint32Array(count))];

form.addEventListener("input", () => { attempt = null; });
onPress(older, async () => {
  try {
    const added = (await fetchPage(cursor)).map((task) => hang(task)).filter(Boolean);
    added[0]?.element.querySelector("a").focus();
  } catch (error) {
    notice(note, { title: "Older pictures could not be fetched.", text: explain(error) });
  }
});

async function hangNews() {
  const seen = cursor;
  const items = await fetchPage().catch(() => []);
  cursor = seen ?? cursor;
  older.hidden = !cursor;
  items.reverse().forEach((task) => hang(task, { first: true }));
}

form.elements.prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
filter.addEventListener("change", load);
onOtherTab("task-made", hangNews);
onOtherTab("task-deleted", (id) => cards.has(id) && takeDown(cards.get(id)));
onHere("session-resumed", () => { load(); showUsage(); });
onHere("reachable-again", () => cards.size || load());

load();
showUsage();
