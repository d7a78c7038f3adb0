/** The API keys of the account page. */
import { call } from "./api.js";
import { announce, byId, copy, element, onPress, say, sureAtSecondPress } from "./dom.js";
import { onSubmit } from "./form.js";
import { onHere } from "./session.js";
import { day, explain, moment } from "./words.js";

const MAY = { "tasks:read": "sees pictures", "tasks:write": "paints and deletes pictures", "account:read": "sees plan and usage" };

const list = byId("keys");
const fault = byId("keys-fault");
const shown = byId("new-key");

async function load() {
  say(fault, "");
  try {
    show((await call("GET", "/auth/api-keys")).items);
  } catch (error) {
    say(fault, explain(error));
  }
}

function show(items) {
  list.replaceChildren(...items.map(row));
  const none = byId("no-keys"); // as high as a row, so that nothing moves when the answer comes
  none.hidden = items.length > 0;
  none.textContent = "You have none.";
}

function row({ id, name, hint, scopes, last_used_at, expires_at }) {
  const facts = [
    scopes.map((scope) => MAY[scope] ?? scope).join(", "),
    last_used_at ? `last used ${moment(last_used_at)}` : "never used",
    expires_at ? `ends ${day(expires_at)}` : "does not end",
  ];
  const what = element(
    "span", { class: "what" },
    element("strong", { dir: "auto" }, name, " ", element("code", {}, `lw_…${hint}`)),
    element("small", {}, facts.join(" · ")),
  );
  const button = element("button", { type: "button", class: "quiet", "aria-label": `Revoke ${name}` }, "Revoke");
  sureAtSecondPress(button, "Revoke for good?", () => revoke(id));
  return element("li", { class: "row" }, what, button);
}

async function revoke(id) {
  say(fault, "");
  try {
    await call("DELETE", `/auth/api-keys/${id}`);
    await load();
    announce("The key is revoked.");
    byId("keys-title").focus();
  } catch (error) {
    say(fault, explain(error));
  }
}

onSubmit(byId("make-key"), async ({ name, ends, password, ...scopes }) => {
  shown.hidden = true;
  const wanted = { name: name.trim(), scopes: Object.keys(scopes), expires_in_days: ends ? Number(ends) : null };
  if (!wanted.scopes.length) return "Tick at least one thing that the key may do.";
  await call("GET", "/auth/api-keys"); // refreshes the session where it must be
  await call("POST", "/auth/reauthenticate", { password }, { forAnybody: true });
  const made = await call("POST", "/auth/api-keys", wanted);
  byId("make-key").reset();
  byId("new-key-text").value = made.key;
  shown.hidden = false;
  byId("new-key-text").focus();
  byId("new-key-text").select();
  load();
});

onPress(byId("copy-key"), async () => {
  await copy(byId("new-key-text").value);
  announce("Copied");
});
onHere("session-resumed", load);
load();
