/** What every page has: signing in and out, and what other tabs do. */
import { followMailedLink, setUpAccess } from "./access.js";
import { call } from "./api.js";
import { announce, byId, onPress } from "./dom.js";
import { forgetDraft } from "./draft.js";
import { explain } from "./words.js";
import { happen, onHere, onOtherTab, tellOtherTabs } from "./session.js";

const dialog = byId("access-dialog");
const signOut = byId("sign-out");

function resume() {
  if (!dialog) return location.reload();
  dialog.close();
  happen("session-resumed");
}

setUpAccess(resume);
onHere("session-ended", () => dialog?.open || dialog?.showModal());
onOtherTab("signed-in", () => (!dialog || dialog.open) && resume());
onOtherTab("signed-out", () => { forgetDraft(); location.assign("/"); });

if (followMailedLink() && dialog) {
  byId("access-reason").textContent = "This is what the link in your mail is for.";
  dialog.showModal();
}

async function leave() {
  try {
    await call("POST", "/auth/logout", undefined, { forAnybody: true });
    tellOtherTabs("signed-out");
    forgetDraft();
    location.assign("/");
  } catch (error) {
    announce(explain(error)); // the page itself says that the server is away
  }
}

if (signOut) onPress(signOut, leave);
