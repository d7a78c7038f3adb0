import { call } from "./api.js";
import { announce, byId, element, notice, onPress, say } from "./dom.js";
import { onSubmit } from "./form.js";
import { onHere } from "./session.js";
import { capital, day, device, explain, moment, undelivered } from "./words.js";

const profile = byId("profile");
const sessions = byId("sessions");
const note = byId("account-note");
const webhooks = byId("webhooks");

async function load() {
  note.hidden = true;
  try {
    const [account, { items }, dead] = await Promise.all([call("GET", "/auth/me"), call("GET", "/auth/sessions"), deadWebhooks()]);
    showAccount(account);
    showSessions(items);
    showWebhooks(dead);
  } catch (error) {
    notice(note, { title: "Your account could not be fetched.", text: explain(error), action: "Try again", onAction: load });
  }
}

function showAccount({ user, profile: { display_name, locale }, subscription }) {
  const { plan, limits, usage, period_end } = subscription;
  byId("email").textContent = user.email;
  byId("since").textContent = day(user.created_at);
  profile.elements.display_name.value = display_name ?? "";
  profile.elements.locale.value = locale ?? "";
  byId("plan").textContent = capital(plan);
  showUsage("used", usage.tasks, limits.tasks_per_period);
  showUsage("running", usage.at_once, limits.tasks_at_once);
  byId("longest-side").textContent = `${limits.longest_side} pixels`;
  byId("period-end").textContent = day(period_end);
}

function showUsage(name, value, most) {
  Object.assign(byId(name), { value, max: most });
  byId(`${name}-words`).textContent = `${value} of ${most}`;
}

function showSessions(items) {
  sessions.replaceChildren(...items.map(row));
  sessions.ariaBusy = "false";
  byId("others").hidden = items.length < 2;
}

function row({ id, user_agent, ip, last_used_at, current }) {
  const name = device(user_agent);
  const what = element(
    "span", { class: "what" },
    element("strong", {}, name),
    element("small", {}, `${ip ?? "unknown address"} · last used ${moment(last_used_at)}`),
  );
  if (current) return element("li", { class: "row" }, what, element("span", { class: "badge" }, "This one"));
  const button = element("button", { type: "button", class: "quiet", "aria-label": `Sign out ${name}` }, "Sign out");
  button.onclick = () => change(() => call("DELETE", `/auth/sessions/${id}`));
  return element("li", { class: "row" }, what, button);
}

async function change(act) {
  const fault = byId("sessions-fault");
  say(fault, "");
  try {
    await act();
    showSessions((await call("GET", "/auth/sessions")).items);
    byId("sessions-title").focus();
  } catch (error) {
    say(fault, explain(error));
  }
}

/** The newest webhooks that nobody will send any more. */
async function deadWebhooks() {
  const pages = await Promise.all(["failed", "disabled"].map((status) => call("GET", `/webhooks/deliveries?status=${status}`)));
  return pages.flatMap(({ items }) => items).sort((a, b) => b.created_at.localeCompare(a.created_at));
}

function showWebhooks(items) {
  byId("webhooks-panel").hidden = !items.length;
  webhooks.replaceChildren(...items.map(deadWebhook));
}

function deadWebhook(delivery) {
  const { id, url, task_id, finished_at } = delivery;
  const what = element(
    "span", { class: "what" },
    element("strong", { dir: "auto" }, url),
    element("small", {}, `${undelivered(delivery)} · ${moment(finished_at)} · `, element("a", { href: `/tasks/${task_id}` }, "its picture")),
  );
  const button = element("button", { type: "button", class: "quiet", "aria-label": `Send again to ${url}` }, "Send again");
  button.onclick = () => sendAgain(id);
  return element("li", { class: "row" }, what, button);
}

async function sendAgain(id) {
  const fault = byId("webhooks-fault");
  say(fault, "");
  try {
    await call("POST", `/webhooks/deliveries/${id}/redeliver`);
    showWebhooks(await deadWebhooks());
    announce("It is being sent again.");
    if (webhooks.firstElementChild) byId("webhooks-title").focus();
  } catch (error) {
    say(fault, explain(error));
  }
}

onSubmit(profile, async ({ display_name, locale }) => {
  await call("PATCH", "/auth/me", { display_name: display_name.trim() || null, locale: locale.trim() || null });
  return "Saved.";
});
onPress(byId("others"), () => change(() => call("POST", "/auth/logout?scope=others")));
onHere("session-resumed", load);
load();
