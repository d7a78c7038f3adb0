/** How a program asks for a picture. The key is a variable there: no text of ours holds one. */
import { copy, element } from "./dom.js";

const WORDS_STAY_MS = 2000;
const KEY = "LAMPWORK_API_KEY";
const LANGUAGES = { curl, Python: python, JavaScript: javascript };

let dialog;
let shown = "curl";

/** @param {{prompt: string, parameters: Record<string, unknown>}} wanted */
export function showCode({ prompt, parameters }) {
  dialog ??= build();
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null && value !== ""));
  dialog.wanted = { prompt, parameters: given };
  show();
  dialog.showModal();
}

function build() {
  const made = element("dialog", { class: "code", "aria-labelledby": "code-title" });
  const choices = Object.keys(LANGUAGES).map((name) => {
    const radio = element("input", { type: "radio", name: "language", value: name, checked: name === shown });
    radio.onchange = () => { shown = name; show(); };
    return element("label", {}, radio, element("span", {}, name));
  });
  const copyButton = element("button", { type: "button", class: "secondary", "aria-live": "polite" }, "Copy");
  copyButton.onclick = async () => {
    await copy(made.querySelector("pre").textContent);
    copyButton.textContent = "Copied";
    setTimeout(() => { copyButton.textContent = "Copy"; }, WORDS_STAY_MS);
  };
  const close = element("button", { type: "button", class: "secondary" }, "Close");
  close.onclick = () => made.close();
  made.append(
    element("h2", { id: "code-title" }, "Ask for it by a program"),
    element("p", { class: "hint" }, "The key comes from the variable ", element("code", {}, KEY), ": ", element("a", { href: "/account#keys-title" }, "make one"), "."),
    element("fieldset", { class: "choices" }, element("legend", { class: "unseen" }, "Language"), ...choices),
    element("pre", { tabIndex: 0, "aria-label": "The code", role: "region" }),
    element("div", { class: "bar" }, copyButton, close),
  );
  document.body.append(made);
  return made;
}

function show() {
  dialog.querySelector("pre").textContent = LANGUAGES[shown](`${location.origin}/api/v1/tasks`, dialog.wanted);
}

function curl(tasks, wanted) {
  return `curl -X POST ${tasks} \\
  -H "Authorization: Bearer $${KEY}" \\
  -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(wanted))}
`;
}

/** For a shell nothing means anything between single quotes, but the next one. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// What JSON says of texts and numbers, Python and JavaScript read alike.
function python(tasks, { prompt, parameters }) {
  return `import os

import requests  # pip install requests

tasks = "${tasks}"
wanted = {"prompt": ${JSON.stringify(prompt)}, "parameters": ${JSON.stringify(parameters)}}

with requests.Session() as api:
    api.headers["Authorization"] = f"Bearer {os.environ['${KEY}']}"
    answer = api.post(tasks, json=wanted)
    answer.raise_for_status()
    task = answer.json()
    while not task["terminal"]:
        news = {"after": task["sequence"], "wait": 20}
        task = api.get(f"{tasks}/{task['id']}", params=news).json()
    picture = api.get(f"{tasks}/{task['id']}/result")
    picture.raise_for_status()

with open("picture.png", "wb") as file:
    file.write(picture.content)
`;
}

function javascript(tasks, { prompt, parameters }) {
  return `import { writeFile } from "node:fs/promises"; // save this as picture.mjs

const tasks = "${tasks}";
const wanted = { prompt: ${JSON.stringify(prompt)}, parameters: ${JSON.stringify(parameters)} };
const headers = { Authorization: \`Bearer \${process.env.${KEY}}\`, "Content-Type": "application/json" };

async function ask(address, options = {}) {
  const answer = await fetch(address, { headers, ...options });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

let task = await (await ask(tasks, { method: "POST", body: JSON.stringify(wanted) })).json();
while (!task.terminal) {
  task = await (await ask(\`\${tasks}/\${task.id}?after=\${task.sequence}&wait=20\`)).json();
}
const picture = await ask(\`\${tasks}/\${task.id}/result\`);
await writeFile("picture.png", Buffer.from(await picture.arrayBuffer()));
`;
}
