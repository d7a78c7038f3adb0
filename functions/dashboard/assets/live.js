import { call, Problem } from "./api.js";
import { onHere } from "./session.js";

const SILENCE_MS = 45_000; // three missed heartbeats
const LONGEST_PAUSE_MS = 30_000;
const POLL_SECONDS = 20;

/**
 * Follow a task to its end: every state once and in order, by the reconnect rule of docs/tasks.md.
 * Between two sockets it asks over HTTP, which tells what a socket cannot: that the session has
 * ended or the task is gone. Where no socket opens at all, it waits for news there.
 * @param {{id: string, sequence: number, terminal: boolean}} task what is known
 * @param {{onState: (state: any) => void, onLost: () => void, signal: AbortSignal}} options
 * @throws {Problem} the task cannot be followed any more
 */
export async function follow(task, { onState, onLost, signal }) {
  let last = task.sequence;
  let ended = task.terminal;
  const note = (state) => {
    last = state.sequence;
    ended = state.terminal;
    onState(state);
  };
  for (let tries = 0; !ended && !signal.aborted; tries++) {
    const heard = await listen(`/ws/tasks/${task.id}?after=${last}`, () => last, note, signal);
    if (ended || signal.aborted) return;
    if (heard) tries = 0;
    onLost();
    await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, 500 * 2 ** tries));
    const wait = tries > 1 ? `&wait=${POLL_SECONDS}` : "";
    const state = await ask(`/tasks/${task.id}?after=${last}${wait}`);
    if (state && state.sequence > last && !signal.aborted) note(state);
  }
}

/** One socket, from its opening to its end. Resolves to whether it told any state. */
function listen(path, last, note, signal) {
  return new Promise((leave) => {
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${path}`);
    let heard = false;
    let silence = setTimeout(end, SILENCE_MS);
    signal.addEventListener("abort", end);

    function end() {
      clearTimeout(silence);
      signal.removeEventListener("abort", end);
      socket.onmessage = null;
      socket.close();
      leave(heard);
    }

    socket.onclose = end;
    socket.onmessage = ({ data }) => {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE_MS);
      const frame = JSON.parse(data);
      const isNews = frame.sequence > last();
      const isState = frame.type === "snapshot" || (frame.type === "update" && isNews);
      if (isState) {
        heard = true;
        if (isNews || !frame.resumed) note({ ...frame, id: frame.task_id });
      }
      if (frame.terminal || (frame.type === "heartbeat" && isNews)) end();
    };
  });
}

/** The task over HTTP; null where it cannot be had now, but may be later. */
async function ask(path) {
  try {
    return await call("GET", path);
  } catch (error) {
    if (error instanceof Problem && [400, 401, 404].includes(error.status)) throw error;
    return null;
  }
}

/** Wait, but no longer than until the server answers again. */
function pause(ms) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, ms);
    onHere("reachable-again", () => { clearTimeout(timer); resume(); }, { once: true });
  });
}
