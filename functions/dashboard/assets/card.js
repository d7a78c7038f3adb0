import { call } from "./api.js";
import { showCode } from "./code.js";
import { announce, copy, element, randomNumbers, say, sureAtSecondPress } from "./dom.js";
import { follow } from "./live.js";
import { aim } from "./pictures.js";
import { onHere, tellOtherTabs } from "./session.js";
import { capital, describe, explain, moment } from "./words.js";

const ROW_REM = 14; // the height of the pictures of a row, before they fill it
const WORDS_STAY_MS = 2000;

/** A task on the wall, alive until it ends. */
export class Card {
  /**
   * @param {any} task
   * @param {{onRetry: (task: any) => void, onGone: (card: Card) => void, onUse: (task: any) => void,
   *   onView?: (card: Card) => void, onEnd?: () => void, heading?: string}} options
   */
  constructor(task, options) {
    this.options = options;
    this.leaving = new AbortController();
    this.build(task);
    this.show(task);
    this.live();
    onHere("session-resumed", () => this.live(), { signal: this.leaving.signal });
  }

  /** Stop following: the card is about to go. */
  leave() {
    this.leaving.abort();
  }

  async live() {
    if (this.task.terminal || this.following) return;
    this.following = true;
    const onState = (state) => this.note(state);
    const onLost = () => { this.element.dataset.lost = ""; };
    try {
      await follow(this.task, { onState, onLost, signal: this.leaving.signal });
    } catch (error) {
      if (error.status === 404) this.options.onGone(this);
      else say(this.detail, explain(error));
    } finally {
      this.following = false;
    }
  }

  build({ id, prompt, parameters, created_at, retry_of }) {
    const { width, height, style, seed } = parameters;
    this.state = element("p", { class: "state" });
    this.detail = element("p", { class: "detail", hidden: true });
    this.progress = element("progress", { max: 100, "aria-label": "Progress" });
    this.waiting = element("div", { class: "waiting" }, this.state, this.detail, this.progress);
    this.frame = element("div", { class: "frame" }, this.waiting);
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.actions = element("div", { class: "actions" });
    const facts = [capital(style), `${width} × ${height}`];
    if (seed !== null) facts.push(`seed ${seed}`);
    if (retry_of) facts.push("again");
    this.element = element(
      "article",
      { class: "card", "aria-labelledby": `title-${id}` },
      this.frame,
      element(this.options.heading ?? "h3", { id: `title-${id}`, class: "title" }, element("a", { href: `/tasks/${id}`, dir: "auto" }, prompt)),
      element("p", { class: "meta" }, `${facts.join(" · ")} · `, element("time", { dateTime: created_at }, moment(created_at))),
      this.actions,
    );
    this.element.style.flex = `${width / height} 1 ${(ROW_REM * width) / height}rem`;
  }

  /** Show a state, unless a newer one is shown: an answer can come later than the socket's frames. */
  note(task) {
    delete this.element.dataset.lost;
    if (task.sequence < this.task.sequence) return;
    const changed = task.status !== this.task.status;
    this.show({ ...this.task, ...task });
    if (!changed) return;
    announce(`${describe(task)[0]}: ${task.prompt}`);
    if (task.terminal) this.options.onEnd?.();
  }

  show(task) {
    const [state, detail] = describe(task);
    this.task = task;
    this.element.dataset.status = task.status;
    this.state.textContent = state;
    say(this.detail, detail);
    this.progress.hidden = task.terminal && task.status !== "completed";
    if (task.status === "queued") this.progress.removeAttribute("value");
    else this.progress.value = Math.round(task.progress * 100);
    if (task.status === "completed") this.hang();
    this.offer();
  }

  /** Put the picture into its frame, once. */
  hang() {
    if (this.picture) return;
    const { width, height } = this.task.parameters;
    this.picture = element("img", { width, height, alt: this.task.prompt, loading: "lazy", decoding: "async" });
    this.picture.onload = () => this.waiting.remove();
    this.picture.onerror = () => this.hangAgain(this.picture);
    this.aim(this.picture);
    this.frame.append(this.options.onView ? this.viewed(this.picture) : this.picture);
  }

  /** A picture that opens the viewer, or in a tab of its own its page. */
  viewed(picture) {
    const link = element("a", { class: "view", href: `/tasks/${this.task.id}`, "aria-label": `View ${this.task.prompt}` }, picture);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.options.onView(this);
    };
    return link;
  }

  /** The session may have to be refreshed, which a picture cannot do; or the store is away. */
  async hangAgain(picture) {
    picture.onerror = () => {
      (picture.closest(".view") ?? picture).remove();
      this.picture = null;
      this.state.textContent = "The picture could not be fetched";
      this.offer(["Fetch it again", () => this.hang()]);
    };
    await this.touchSession();
    this.aim(picture);
  }

  aim(picture) {
    aim(picture, this.task.result, `auto, ${this.options.heading ? "60rem" : "20rem"}`);
  }

  /** Have the session refreshed where it must be, before the browser itself asks for a file. */
  async touchSession() {
    await call("GET", `/tasks/${this.task.id}`).catch(() => null);
  }

  /** The actions of this state; the same buttons are kept so that nobody loses the focus. */
  offer(first) {
    const { status, terminal, cancel_requested } = this.task;
    const key = `${status} ${cancel_requested} ${first}`;
    if (key === this.offered) return;
    this.offered = key;
    const hadFocus = this.actions.contains(document.activeElement);
    this.actions.replaceChildren();
    if (first) this.add(...first);
    if (!terminal && !cancel_requested) this.add("Cancel", () => this.cancel());
    if (status === "completed") this.actions.append(this.download());
    if (status === "completed") this.add("Paint again", () => this.vary());
    else if (terminal) this.add("Try again", () => this.retry());
    this.add("Use this prompt", () => this.options.onUse(this.task));
    if (status === "completed") this.add("Copy link", (button) => this.copyLink(button));
    this.add("Code", () => showCode(this.task));
    if (terminal) sureAtSecondPress(this.add("Delete"), "Delete for good?", () => this.attempt(() => this.remove()));
    if (hadFocus) (this.actions.firstElementChild ?? this.element.querySelector(".title a")).focus();
  }

  add(label, action) {
    const button = element("button", { type: "button", class: "quiet" }, label);
    if (action) button.onclick = () => this.attempt(() => action(button));
    this.actions.append(button);
    return button;
  }

  async attempt(action) {
    try {
      await action();
    } catch (error) {
      if (error.status === 404) this.options.onGone(this);
      else this.fault(explain(error));
    }
  }

  fault(text) {
    this.words ??= element("p", { class: "fault", role: "alert" });
    this.words.textContent = text;
    this.actions.after(this.words);
  }

  download() {
    const link = element("a", { class: "quiet button", href: `${this.task.result.url}?download=true` }, "Download");
    link.onclick = async (event) => {
      event.preventDefault();
      await this.touchSession();
      location.assign(link.href);
    };
    return link;
  }

  async copyLink(button) {
    await copy(`${location.origin}/tasks/${this.task.id}`);
    this.flash(button, "Copied");
  }

  flash(button, text) {
    const label = button.textContent;
    button.textContent = text;
    announce(text);
    setTimeout(() => { button.textContent = label; }, WORDS_STAY_MS);
  }

  async cancel() {
    this.note(await call("POST", `/tasks/${this.task.id}/cancel`));
  }

  async retry() {
    this.made(await call("POST", `/tasks/${this.task.id}/retry`));
  }

  /** The same prompt with another seed: a picture like it. */
  async vary() {
    const { prompt, parameters } = this.task;
    const [seed] = randomNumbers(1);
    const key = { "Idempotency-Key": randomNumbers(4).join("-") };
    this.made(await call("POST", "/tasks", { prompt, parameters: { ...parameters, seed } }, { headers: key }));
  }

  made(made) {
    tellOtherTabs("task-made");
    this.options.onRetry(made);
  }

  async remove() {
    await call("DELETE", `/tasks/${this.task.id}`);
    tellOtherTabs("task-deleted", this.task.id);
    this.options.onGone(this);
  }
}
