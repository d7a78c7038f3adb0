import { call } from "./api.js";
import { Card } from "./card.js";
import { showCode } from "./code.js";
import { announce, byId, element, notice, onPress, randomNumbers } from "./dom.js";
import { draft, forgetDraft, keepDraft } from "./draft.js";
import { onSubmit } from "./form.js";
import { onHere, onOtherTab, tellOtherTabs } from "./session.js";
import { Viewer } from "./viewer.js";
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

/** Show the pictures of one state, or all (""); the address says which, so it can be kept. */
function showOnly(status) {
  history.pushState(null, "", status ? `?show=${status}` : location.pathname);
  readAddress();
  load();
}

function readAddress() {
  filter.value = new URLSearchParams(location.search).get("show") ?? "";
  if (filter.selectedIndex < 0) filter.value = ""; // a state that there is not
}

function clear() {
  for (const card of cards.values()) card.leave();
  cards.clear();
  wall.replaceChildren();
  older.hidden = !cursor;
}

function hang(task, { first = false } = {}) {
  if (cards.has(task.id)) return null;
  const card = new Card(task, { onRetry: begin, onGone: takeDown, onEnd: showUsage, onUse: use, onView: view });
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
  (neighbour?.querySelector(".title a") ?? byId("prompt")).focus();
  tellIfEmpty();
}

function begin(task) {
  if (filter.value) {
    showOnly("");
  } else {
    hang(task, { first: true })?.element.scrollIntoView({ block: "nearest" });
  }
  announce(`Waiting for a painter: ${task.prompt}`);
  showUsage();
}

function tellIfEmpty() {
  if (cards.size) return;
  if (filter.value) {
    notice(note, { title: "None like that.", text: "Other pictures may be there.", action: "Show all", onAction: () => showOnly("") });
    return;
  }
  notice(note, { title: "The wall is empty.", text: "Describe a picture, or begin with one of these:" });
  const ideas = IDEAS.map((idea) => element("button", { type: "button", class: "secondary", onclick: () => suggest(idea) }, idea));
  note.append(element("div", { class: "ideas" }, ...ideas));
}

function suggest(idea) {
  use({ prompt: idea, parameters: {} });
}

/** Fill in what painted a picture, but for the seed: another one is drawn. */
function use({ prompt, parameters: { width, height, style } }) {
  fill({ prompt, size: `${width}x${height}`, style, seed: "" });
  form.elements.prompt.focus();
}

/** Put values into the form; one that it does not offer leaves what is chosen. */
function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements.namedItem(name);
    const offered = [...(field instanceof RadioNodeList ? field : [])].some((each) => each.value === value && !each.disabled);
    if (field && (offered || field instanceof HTMLElement)) field.value = value;
  }
  attempt = null;
  keep();
}

function keep() {
  if (form.elements.prompt.value) keepDraft(Object.fromEntries(new FormData(form)));
  else forgetDraft();
  byId("prompt-count").textContent = `${form.elements.prompt.value.length} of ${form.elements.prompt.maxLength}`;
}

let viewer;

function view(card) {
  viewer ??= new Viewer({ cards: hung, older: showOlder });
  viewer.open(card);
}

/** The cards as they hang, the first of them first. */
const hung = () => [...cards.values()].sort((one, other) => (one.element.compareDocumentPosition(other.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));

const wanted = ({ prompt, size, style, seed }) => {
  const [width, height] = size.split("x").map(Number);
  return { prompt, parameters: { width, height, style, seed } };
};

async function showUsage() {
  const account = await call("GET", "/auth/me").catch(() => null);
  if (!account) return;
  const { limits, usage } = account.subscription;
  byId("usage").textContent = `${usage.tasks} of ${limits.tasks_per_period} pictures used in this period`;
  for (const option of form.elements.size) {
    option.disabled = Math.max(...option.value.split("x").map(Number)) > limits.longest_side;
  }
  if (!new FormData(form).has("size")) form.elements.size[0].checked = true;
}

onSubmit(form, async (values) => {
  attempt ??= { key: randomNumbers(4).join("-"), seed: values.seed ? Number(values.seed) : randomNumbers(1)[0] };
  const body = wanted({ ...values, seed: attempt.seed });
  const task = await call("POST", "/tasks", body, { headers: { "Idempotency-Key": attempt.key } });
  attempt = null;
  forgetDraft();
  begin(task);
  tellOtherTabs("task-made");
  form.elements.prompt.select();
});

form.addEventListener("input", () => { attempt = null; keep(); });
onPress(byId("form-code"), () => {
  const values = Object.fromEntries(new FormData(form));
  showCode(wanted({ ...values, seed: values.seed ? Number(values.seed) : null }));
});
onPress(older, async () => (await showOlder())[0]?.element.querySelector(".title a").focus());

/** Hang one more page. Returns the cards that it added. */
async function showOlder() {
  if (!cursor) return [];
  try {
    return (await fetchPage(cursor)).map((task) => hang(task)).filter(Boolean);
  } catch (error) {
    notice(note, { title: "Older pictures could not be fetched.", text: explain(error) });
    return [];
  }
}

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
filter.addEventListener("change", () => showOnly(filter.value));
addEventListener("popstate", () => { readAddress(); load(); });
onOtherTab("task-made", hangNews);
onOtherTab("task-deleted", (id) => cards.has(id) && takeDown(cards.get(id)));
onHere("session-resumed", () => { load(); showUsage(); });
onHere("reachable-again", () => cards.size || load());

readAddress();
fill(draft());
load();
showUsage();
