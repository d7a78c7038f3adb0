import { Problem } from "./api.js";
import { say } from "./dom.js";
import { explain } from "./words.js";

/**
 * Have a form call `send` with its values; show what is wrong beside it, and let nobody send twice.
 * @param {HTMLFormElement} form has `.fault`, may have `.done`, and one button without a type
 * @param {(values: Record<string, string>) => Promise<string | void>} send returns what to say
 */
export function onSubmit(form, send) {
  const button = form.querySelector("button:not([type])");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === "true" || !isFilledIn(form)) return;
    tell(form, {});
    const free = occupy(button);
    try {
      tell(form, { done: await send(Object.fromEntries(new FormData(form))) });
      free();
    } catch (error) {
      showFault(form, error);
      free(error.retryAfterSeconds > 120 ? 0 : error.retryAfterSeconds);
    }
  });
}

function isFilledIn(form) {
  for (const field of form.elements) field.removeAttribute?.("aria-invalid");
  const missing = [...form.elements].find((field) => field.validity && !field.validity.valid);
  if (!missing) return true;
  const name = missing.labels[0].firstChild.textContent.trim();
  mark(form, missing);
  tell(form, { fault: missing.validity.valueMissing ? `Fill in: ${name}` : `${name}: ${missing.validationMessage}` });
  return false;
}

function showFault(form, error) {
  tell(form, { fault: explain(error) });
  const name = error instanceof Problem && error.errors[0]?.loc.at(-1);
  const field = name && form.elements.namedItem(name);
  if (field instanceof HTMLElement) mark(form, field);
}

function mark(form, field) {
  const fault = form.querySelector(".fault");
  fault.id ||= `fault-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-errormessage", fault.id);
  field.focus();
}

function tell(form, { fault, done }) {
  say(form.querySelector(".fault"), fault);
  const place = form.querySelector(".done");
  if (place) say(place, done);
}

/** The button stays in the tab order while it is not to be pressed. */
function occupy(button) {
  const label = button.textContent;
  button.ariaDisabled = "true";
  button.dataset.busy = "";
  return function free(seconds = 0) {
    delete button.dataset.busy;
    button.textContent = seconds > 0 ? `Wait ${seconds} s` : label;
    if (seconds > 0) setTimeout(free, 1000, seconds - 1);
    else button.ariaDisabled = "false";
  };
}
