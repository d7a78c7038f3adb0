import { call } from "./api.js";
import { Card } from "./card.js";
import { byId, element, notice } from "./dom.js";
import { keepDraft } from "./draft.js";
import { onHere } from "./session.js";
import { explain } from "./words.js";

const place = byId("task");

async function load() {
  if (!("signedIn" in document.body.dataset)) return place.replaceChildren();
  try {
    const task = await call("GET", `/tasks/${place.dataset.task}`);
    const card = new Card(task, {
      onRetry: ({ id }) => location.assign(`/tasks/${id}`),
      onGone: () => location.assign("/"),
      onUse: useInStudio,
      heading: "h1",
    });
    document.title = `${task.prompt} · Lampwork`;
    place.replaceChildren(card.element);
  } catch (error) {
    const box = element("div", { class: "notice" });
    const title = error.status === 404 ? "There is no such picture." : "The picture could not be fetched.";
    notice(box, { title, text: explain(error), action: "Try again", onAction: load, heading: "h1" });
    place.replaceChildren(box);
  }
  place.ariaBusy = "false";
}

function useInStudio({ prompt, parameters: { width, height, style } }) {
  keepDraft({ prompt, size: `${width}x${height}`, style });
  location.assign("/");
}

onHere("session-resumed", load);
load();
