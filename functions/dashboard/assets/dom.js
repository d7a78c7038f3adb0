/**
 * An element with properties and children. Text becomes text, never markup.
 * @param {string} name
 * @param {Record<string, unknown>} [properties] `class` and names with a dash are set as attributes
 * @param {...(Node | string)} children
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class" || key.includes("-")) made.setAttribute(key, String(value));
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** @param {string} id */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/** Give a button of the page its action; until then it is disabled. */
export function onPress(button, action) {
  button.disabled = false;
  button.addEventListener("click", action);
}

/** Have a button ask once more, in place, before it acts. */
export function sureAtSecondPress(button, question, action) {
  const label = button.textContent;
  const name = button.ariaLabel;
  const ask = (asks) => {
    button.toggleAttribute("data-sure", asks);
    button.textContent = asks ? question : label;
    if (name) button.ariaLabel = asks ? `${question} ${name}` : name;
  };
  button.onblur = () => ask(false);
  button.onclick = () => (button.hasAttribute("data-sure") ? action(button) : ask(true));
}

/** @param {number} count of 32 bits each */
export const randomNumbers = (count) => [...crypto.getRandomValues(new Uint32Array(count))];

/** Copy a text; where the page is not secure (plain http), by way of a field. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = element("textarea", { value: text, class: "unseen" });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** Show a text, or hide its place where there is none. */
export function say(place, text) {
  place.textContent = text ?? "";
  place.hidden = !text;
}

/** Tell a screen reader, once, what everybody else sees. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Put a notice with an optional button where the content would be. */
export function notice(place, { title, text, action, onAction, heading = "strong" }) {
  place.replaceChildren(
    element(heading, {}, title),
    element("p", {}, text),
    ...(action ? [element("button", { type: "button", class: "secondary", onclick: onAction }, action)] : []),
  );
  place.hidden = false;
}
