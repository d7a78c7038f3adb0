import { call } from "./api.js";
import { byId, onPress, say } from "./dom.js";
import { onSubmit } from "./form.js";
import { tellOtherTabs } from "./session.js";

const ANYBODY = { forAnybody: true };

let root;
let mailedToken = "";

/** @param {() => void} onSignedIn */
export function setUpAccess(onSignedIn) {
  root = byId("access");
  if (!root) return;
  for (const link of root.querySelectorAll("[data-show]")) {
    onPress(link, () => show(link.dataset.show));
  }
  onSubmit(view("sign-in"), async ({ email, password, remember }) => {
    await signIn(email, password, remember === "on");
    onSignedIn();
  });
  onSubmit(view("sign-up"), signUp);
  onSubmit(view("verify"), verify);
  onPress(root.querySelector("[data-resend]"), resend);
  onSubmit(view("forgot"), async ({ email }) => {
    await call("POST", "/auth/password/forgot", { email }, ANYBODY);
    return "If this address has an account, the mail is on its way.";
  });
  onSubmit(view("reset"), async ({ password }) => {
    await call("POST", "/auth/password/reset", { token: mailedToken, password }, ANYBODY);
    show("sign-in", "The password is set. Sign in with it.");
  });
  onSubmit(view("confirm-email"), confirmEmail);
}

/** Open what the link of a mail leads to, and take its token out of the address. */
export function followMailedLink() {
  const [, kind, token] = /^#(verify|reset|confirm-email)=(.+)$/.exec(location.hash) ?? [];
  if (!kind || !root) return false;
  history.replaceState(null, "", location.pathname);
  mailedToken = decodeURIComponent(token);
  if (kind === "verify") askForToken(mailedToken, "Press the button, and the address is confirmed.");
  else show(kind);
  return true;
}

const view = (name) => root.querySelector(`[data-view="${name}"]`);
const field = (name, of) => view(of).elements.namedItem(name);

function show(name, done = "") {
  for (const each of root.querySelectorAll("[data-view]")) each.hidden = each.dataset.view !== name;
  const place = view(name).querySelector(".done");
  if (place) say(place, done);
  const first = [...view(name).elements].find((each) => each.type !== "checkbox" && !each.value);
  (first ?? view(name).querySelector("button")).focus();
}

async function signIn(email, password, remember) {
  try {
    await call("POST", "/auth/login", { email, password, remember }, ANYBODY);
  } catch (error) {
    if (error.code === "email_not_verified") {
      field("email", "sign-up").value = email;
      askForToken("", "Your account waits for this: enter the token you were sent.");
    }
    throw error;
  }
  tellOtherTabs("signed-in");
}

async function signUp({ email, password }) {
  const { verification } = await call("POST", "/auth/register", { email, password }, ANYBODY);
  if (verification.token) askForToken(verification.token, "In development the token comes with the answer. It is filled in: press the button.");
  else askForToken("", `We have mailed a link to ${email}. Follow it, or enter its token here.`);
}

function askForToken(token, lead) {
  view("verify").querySelector("[data-lead]").textContent = lead;
  field("token", "verify").value = token;
  show("verify");
}

async function verify({ token }) {
  await call("POST", "/auth/verify", { token: token.trim() }, ANYBODY);
  field("token", "verify").value = "";
  for (const name of ["email", "password"]) field(name, "sign-in").value = field(name, "sign-up").value;
  show("sign-in", "Your address is confirmed. Sign in.");
}

async function resend() {
  const email = field("email", "sign-up").value;
  if (!email) return show("sign-up");
  const { verification } = await call("POST", "/auth/verify/resend", { email }, ANYBODY);
  askForToken(verification?.token ?? "", verification?.token ? "Here is a new token." : "If this address waits for one, a new mail is on its way.");
}

async function confirmEmail() {
  const { status } = await call("POST", "/auth/email/confirm", { token: mailedToken }, ANYBODY);
  return status === "undone"
    ? "The change is undone, and every device signed out. Choose a new password now."
    : "The address is changed.";
}
