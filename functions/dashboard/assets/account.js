import { call } from "./api.js";
import { byId, element, notice, onPress, say } from "./dom.js";
import { onSubmit } from "./form.js";
import { onHere } from "./session.js";
import { capital, day, device, explain, moment } from "./words.js";

const profile = byId("profile");
const sessions = byId("sessions");
const note = byId("account-note");

async function load() {
  note.hidden = true;
  try {
    const [account, { items }] = await Promise.all([call("GET", "/auth/me"), call("GET", "/auth/sessions")]);
    showAccount(account);
    showSessions(items);
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

onSubmit(profile, async ({ display_name, locale }) => {
  await call("PATCH", "/auth/me", { display_name: display_name.trim() || null, locale: locale.trim() || null });
  return "Saved.";
});
onPress(byId("others"), () => change(() => call("POST", "/auth/logout?scope=others")));
onHere("session-resumed", load);
load();
