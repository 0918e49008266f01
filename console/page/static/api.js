// Speaking to the server: the token, requests, errors in words.

const KEY = "autoqos-token";
/** @type {Set<() => void>} */
const onLocked = new Set();

/** An answer that is an error (RFC 9457). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {{pointer: string, detail: string}[]} [errors]
   */
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

/**
 * Call when the server no longer takes our token.
 * @param {() => void} listener
 */
export function whenLocked(listener) {
  onLocked.add(listener);
}

export function lock() {
  forgetToken();
  for (const listener of onLocked) listener();
}

/**
 * The token for a one-time code. Throws ApiError.
 * @param {string} code
 */
export async function logIn(code) {
  const answer = await send("POST", "/session", { code, client: "page" }, null);
  sessionStorage.setItem(KEY, answer.token);
  return answer;
}

/**
 * @param {string} path below /api/v1
 * @returns {Promise<any>}
 */
export function get(path) {
  return send("GET", path, undefined, token());
}

/**
 * @param {"PUT" | "POST" | "DELETE" | "PATCH"} method
 * @param {string} path
 * @param {any} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export function act(method, path, body, headers) {
  return send(method, path, method === "DELETE" ? undefined : (body ?? {}), token(), headers);
}

/**
 * A file for the person: fetched with the token, then saved.
 * @param {string} path
 * @param {string} name
 */
export async function download(path, name) {
  const response = await fetch(`/api/v1${path}`, { headers: { Authorization: `Bearer ${token()}` } });
  if (!response.ok) throw new ApiError(response.status, "the file could not be made");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {any} body
 * @param {string | null} bearer
 * @param {Record<string, string>} [more]
 */
async function send(method, path, body, bearer, more) {
  /** @type {Record<string, string>} */
  const headers = { ...more };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "the page's server does not answer: is AutoQoS running?");
  }
  if (response.status === 401) {
    lock();
    throw new ApiError(401, "locked");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.detail ?? `status ${response.status}`, answer.errors);
  const etag = response.headers.get("ETag");
  return etag ? { ...answer, etag } : answer;
}
