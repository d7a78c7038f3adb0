/** One picture after another, as large as the screen. */
import { aim } from "./pictures.js";
import { element } from "./dom.js";
import { capital } from "./words.js";

const SWIPE_PX = 50;

/** Shows the pictures of a wall. */
export class Viewer {
  /** @param {{cards: () => any[], older: () => Promise<void>}} wall `cards` in their order there */
  constructor(wall) {
    this.wall = wall;
    this.build();
  }

  build() {
    this.title = element("h2", { id: "viewer-title", dir: "auto" });
    this.status = element("p", { class: "unseen", role: "status" }); // the page's own is inert meanwhile
    this.facts = element("p", { class: "meta" });
    this.frame = element("div", { class: "stage" });
    this.bar = element("div", { class: "bar" });
    const button = (label, text, step) => {
      const made = element("button", { type: "button", class: "step", "aria-label": label }, text);
      made.onclick = () => this.step(step);
      return made;
    };
    this.previous = button("Previous picture", "‹", -1);
    this.next = button("Next picture", "›", 1);
    this.close = element("button", { type: "button", class: "secondary", autofocus: true }, "Close");
    this.close.onclick = () => this.dialog.close();
    this.dialog = element(
      "dialog",
      { class: "viewer", "aria-labelledby": "viewer-title" },
      this.frame, this.previous, this.next,
      element("div", { class: "caption" }, this.title, this.facts, this.bar, this.status),
    );
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    this.dialog.onclose = () => this.leave();
    this.watchSwipes();
    document.body.append(this.dialog);
  }

  open(card) {
    this.show(card);
    this.dialog.showModal();
  }

  show(card) {
    this.card = card;
    const { prompt, parameters, result } = card.task;
    const { width, height, style, seed } = parameters;
    const picture = element("img", { alt: prompt, width, height });
    picture.onerror = async () => {
      picture.onerror = null;
      await card.touchSession();
      aim(picture, result, "100vw");
    };
    aim(picture, result, "100vw");
    this.frame.replaceChildren(picture);
    this.title.textContent = prompt;
    this.facts.textContent = [capital(style), `${width} × ${height}`, seed === null ? "" : `seed ${seed}`].filter(Boolean).join(" · ");
    const hadFocus = this.bar.contains(document.activeElement);
    this.bar.replaceChildren(
      card.download(),
      element("a", { class: "quiet button", href: `/tasks/${card.task.id}` }, "Details"),
      this.usePrompt(card),
      this.close,
    );
    if (hadFocus) this.close.focus();
    this.previous.ariaDisabled = String(this.pictures()[0] === card);
  }

  usePrompt(card) {
    const button = element("button", { type: "button", class: "quiet" }, "Use this prompt");
    button.onclick = () => {
      this.used = true;
      this.dialog.close();
      card.options.onUse(card.task);
    };
    return button;
  }

  /** Those of the wall that are painted, in its order. */
  pictures() {
    return this.wall.cards().filter((each) => each.task.status === "completed");
  }

  async step(by) {
    const place = this.pictures().indexOf(this.card) + by;
    if (place >= this.pictures().length) await this.wall.older();
    const card = this.pictures()[place];
    if (card) this.show(card);
    const edge = by > 0 ? "This is the last picture." : "This is the first picture.";
    this.status.textContent = card ? `Picture ${place + 1}: ${card.task.prompt}` : edge;
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(step);
  }

  watchSwipes() {
    let from = null;
    this.frame.addEventListener("pointerdown", (event) => { from = event.isPrimary ? event : null; });
    this.frame.addEventListener("pointerup", (event) => {
      const [x, y] = from ? [event.clientX - from.clientX, event.clientY - from.clientY] : [0, 0];
      from = null;
      if (Math.abs(x) > SWIPE_PX && Math.abs(x) > Math.abs(y)) this.step(x < 0 ? 1 : -1);
    });
    this.frame.addEventListener("pointercancel", () => { from = null; });
  }

  /** The focus goes to where the picture hangs that was seen last. */
  leave() {
    this.frame.replaceChildren();
    if (!this.used) this.card.element.querySelector(".view")?.focus();
    this.used = false;
  }
}
