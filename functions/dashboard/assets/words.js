import { Problem, Unreachable } from "./api.js";

const REFUSALS = {
  rate_limited: "That was too often in a short time. Wait a little, then try again.",
  too_many_tasks_at_once: "As many pictures as your plan allows are being painted. Wait for one to finish, or cancel one.",
  quota_exceeded: "The pictures of this period are used up. See Account for when the next one begins.",
  size_beyond_plan: "Your plan does not include pictures of this size.",
  email_not_verified: "Confirm your address first, with the token you were sent.",
  email_taken: "This address has an account already. Sign in instead.",
  invalid_or_expired_token: "This token is not known, or too old. Ask for a new one.",
  token_already_used: "This token was used before. If it was you, all is done: sign in.",
  csrf_rejected: "The request did not come from this page. Reload it and try again.",
  too_many_api_keys: "You have as many keys as an account may have. Revoke one first.",
  reauthentication_required: "Too much time has passed. Enter your password again.",
  task_not_found: "There is no such picture, or it is somebody else's.",
};

const FAILURES = {
  timeout: "Painting took too long and was stopped.",
  worker_lost: "The painter was interrupted each time it tried.",
  generator_error: "The painter could not make this picture.",
  invalid_output: "The painter made something that is no picture of this size.",
  storage_unavailable: "The picture was painted but could not be stored.",
  expired: "It waited too long for a free painter.",
};

const FIELDS = { email: "E-mail", password: "Password", token: "Token", prompt: "Prompt", name: "Name", display_name: "Name", locale: "Language", seed: "Seed" };

/** What to tell a person about an error of `call`. */
export function explain(error) {
  if (error instanceof Unreachable) return "The server does not answer. Nothing is lost: try again in a moment.";
  if (!(error instanceof Problem)) throw error;
  if (REFUSALS[error.code]) return REFUSALS[error.code];
  if (error.errors.length) return error.errors.map(ofField).join(" ");
  if (error.status === 429) return REFUSALS.rate_limited;
  if (error.status >= 500) return "Something is wrong on our side. Try again in a moment.";
  return error.message || "The server refused this.";
}

function ofField({ loc, msg }) {
  const name = loc.at(-1);
  const text = msg.replace(/^Value error, /, "");
  return `${FIELDS[name] ?? name}: ${text.endsWith(".") ? text : `${text}.`}`;
}

/** A task's state in a few words, and what there is to add. */
export function describe(task) {
  const again = task.attempt > 1 ? ` (try ${task.attempt} of ${task.max_attempts})` : "";
  switch (task.status) {
    case "queued":
      if (task.error) return ["Trying again soon", `${failure(task.error)} The next try begins ${at(task.retry_at)}.`];
      return ["Waiting for a painter", ""];
    case "processing":
      return [task.cancel_requested ? "Stopping …" : `Being painted${again}`, ""];
    case "completed":
      return ["Finished", ""];
    case "failed":
      return ["It did not work out", `${failure(task.error)} ${task.error?.retryable ? "Another try may succeed." : "Another prompt may do better."}`];
    case "cancelled":
      return ["Cancelled", "You stopped it before it was finished."];
    default:
      return ["Never begun", FAILURES.expired];
  }
}

function failure(error) {
  return FAILURES[error?.code] ?? error?.message ?? "Something went wrong.";
}

const UNREACHED = {
  forbidden_address: "its address is not on the public internet",
  unknown_host: "its host is unknown",
  timeout: "it did not answer in time",
  connection_failed: "no connection could be made",
  no_answer: "it gave no answer",
};

/** Why a webhook was not delivered. */
export function undelivered({ status, last_status, last_error }) {
  const reason = last_status ? `it answered ${last_status}` : UNREACHED[last_error];
  if (status === "disabled") return "Disabled: its receiver wants no more";
  return reason ? `Given up: ${reason}` : "Given up";
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const at = (instant) => (instant ? `at ${TIME.format(new Date(instant))}` : "in a moment");
export const day = (instant) => DAY.format(new Date(instant));
export const moment = (instant) => MOMENT.format(new Date(instant));

/** `watercolor` as `Watercolor`. */
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** Which browser on which system a User-Agent names, as far as one can tell. */
export function device(userAgent) {
  const find = (names) => names.find(([mark]) => userAgent?.includes(mark))?.[1];
  const browser = find([["Firefox/", "Firefox"], ["Edg/", "Edge"], ["Chrome/", "Chrome"], ["Safari/", "Safari"], ["HTTPie/", "HTTPie"], ["python", "a Python program"]]);
  const system = find([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]]);
  return [browser ?? "An unknown program", system && `on ${system}`].filter(Boolean).join(" ");
}
