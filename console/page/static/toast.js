// What was done, with Undo; what went wrong.

import { act, ApiError } from "./api.js";
import { fill, h, safeName } from "./dom.js";

const STAY_MS = 12_000;
/** @type {number | undefined} */
let timer;

/** @param {HTMLElement} bubble */
function stay(bubble) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (bubble.matches(":hover") || bubble.contains(document.activeElement)) stay(bubble);
    else bubble.remove();
  }, STAY_MS);
}

/**
 * @param {string} text
 * @param {{path: string} | null} [inverse]
 */
export function say(text, inverse = null) {
  const place = /** @type {HTMLElement} */ (document.getElementById("toast"));
  const bubble = h("div", { class: "bubble" }, h("span", null, safeName(text, 300)));
  if (inverse) {
    bubble.append(h("button", { type: "button", onclick: () => undo(inverse.path) }, "Undo"));
  }
  bubble.append(h("button", { type: "button", "aria-label": "Close this message", onclick: () => bubble.remove() }, "✕"));
  fill(place, bubble);
  stay(bubble);
}

/** @param {string} path */
async function undo(path) {
  await attempt(() => act("POST", path.replace("/api/v1", "")));
}

/**
 * Do something that answers `{said, inverse, effect}`, and say it; what goes wrong is said too.
 * @param {() => Promise<any>} request
 * @returns {Promise<any | null>} null when it went wrong
 */
export async function attempt(request) {
  try {
    const answer = await request();
    say([answer.said, answer.effect].filter(Boolean).join(" — "), answer.inverse ?? null);
    return answer;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) say(error.message);
    return null;
  }
}
