import { isSilence, noteAnswer, noteSilence } from "./connection.js";
import { alone, forgetKeyOfRefresh, happen, keyOfRefresh } from "./session.js";

const PATIENCE_MS = 40_000; // longer than the longest poll

/** The server's refusal: problem+json, or the gateway's own body. */
export class Problem extends Error {
  constructor(status, body, retryAfterSeconds) {
    super(body?.detail ?? body?.message ?? "");
    this.status = status;
    this.code = body?.code ?? "";
    this.errors = body?.errors ?? [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer at all: it may have been done or not. */
export class Unreachable extends Error {}

/**
 * Ask the API as the browser's cookies say, refreshing the session once where it must be.
 * @param {string} path below /api/v1
 * @param {{headers?: Record<string, string>, forAnybody?: boolean}} [options] `forAnybody`: a 401
 *   says something about the request, not about the session
 * @returns {Promise<any>} the body; undefined where there is none
 */
export async function call(method, path, body, { headers = {}, forAnybody = false } = {}) {
  const send = () => request(method, path, body, headers);
  let answer = await send();
  if (answer.status === 401 && !forAnybody) answer = await withFreshSession(send);
  return read(answer);
}

/** One tab refreshes for all: each that waited for it finds its request accepted. */
function withFreshSession(send) {
  return alone(async () => {
    const answer = await send();
    if (answer.status !== 401) return answer;
    const key = { "Idempotency-Key": keyOfRefresh() };
    const refreshed = await request("POST", "/auth/refresh", undefined, key);
    if (refreshed.ok || refreshed.status === 401) forgetKeyOfRefresh();
    if (refreshed.status === 401) happen("session-ended");
    if (!refreshed.ok) return refreshed;
    return send();
  });
}

async function request(method, path, body, headers = {}) {
  const sent = { "X-Token-Delivery": "cookie", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    answer = null;
  }
  if (!answer || isSilence(answer)) {
    noteSilence();
    throw new Unreachable();
  }
  noteAnswer();
  return answer;
}

async function read(answer) {
  const text = await answer.text().catch(() => { throw new Unreachable(); });
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const body = text && isJson ? JSON.parse(text) : undefined;
  if (!answer.ok) throw new Problem(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
  return body;
}
