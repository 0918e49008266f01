// Questions: limits, what if, why, mode.

import { act, ApiError, get } from "./api.js";
import { fill, h, openDialog, safeName } from "./dom.js";
import { bits, LEVELS, typedRate } from "./format.js";
import { attempt } from "./toast.js";

/** @param {string} app */
const path = (app) => `/apps/${encodeURIComponent(app)}`;

/**
 * @param {string} app
 * @param {{down_bps?: number, up_bps?: number} | null | undefined} hand what is set by hand now
 * @param {"down" | "up"} first the field that has the focus
 */
export function limitDialog(app, hand, first) {
  const down = h("input", { type: "text", value: typedRate(hand?.down_bps), placeholder: "such as 2mbit; empty: no limit", autocomplete: "off" });
  const up = h("input", { type: "text", value: typedRate(hand?.up_bps), placeholder: "such as 500kbit; empty: no limit", autocomplete: "off" });
  const span = h("input", { type: "text", placeholder: "such as 2h; empty: until lifted", autocomplete: "off" });
  const problem = h("p", { class: "problem", role: "alert" });
  const limited = Boolean(hand?.down_bps || hand?.up_bps);
  const form = h("form", {
    method: "dialog",
    onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      const body = { down: down.value.trim() || null, up: up.value.trim() || null, for: span.value.trim() || null };
      try {
        if (!body.down && !body.up && limited) await lift();
        else {
          const answer = await act("PUT", `${path(app)}/limit`, body);
          dialog.close();
          await attempt(async () => answer);
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        problem.textContent = error.message;
        const field = error.errors?.[0]?.pointer;
        (field === "up" ? up : field === "for" || field === "span" ? span : down).focus();
      }
    },
  },
    h("label", null, "Download, at most", down), h("label", null, "Upload, at most", up), h("label", null, "For how long", span), problem,
    h("div", { class: "row" },
      h("button", { class: "primary", type: "submit" }, "Set"),
      limited && h("button", { type: "button", onclick: () => lift() }, "Lift the limit"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
    ),
  );
  async function lift() {
    dialog.close();
    await attempt(() => act("DELETE", `${path(app)}/limit`));
  }
  const dialog = openDialog(`Limit ${safeName(app)}`, form);
  (first === "up" ? up : down).focus();
}

/** @param {string} app */
export async function whyDialog(app) {
  const list = h("ul", { class: "reasons" }, h("li", null, "…"));
  const dialog = openDialog(`Why ${safeName(app)} is treated so`, list, h("div", { class: "row" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  try {
    const answer = await get(`${path(app)}/why`);
    fill(list, answer.why.map((/** @type {string} */ line) => h("li", null, safeName(line, 300))));
  } catch (error) {
    fill(list, h("li", { class: "bad" }, /** @type {Error} */ (error).message));
  }
}

/**
 * @param {string} app
 * @param {number} [level] the priority that is tried first
 */
export function whatIfDialog(app, level = 5) {
  const choice = h("select", { onchange: () => void look() }, LEVELS.map((name, index) => h("option", { value: String(index), selected: index === level }, `${index} ${name}`)));
  const down = h("input", { type: "text", placeholder: "no limit", onchange: () => void look(), autocomplete: "off" });
  const up = h("input", { type: "text", placeholder: "no limit", onchange: () => void look(), autocomplete: "off" });
  const result = h("div", { "aria-live": "polite" });
  const dialog = openDialog(`What if ${safeName(app)} were…`,
    h("form", { method: "dialog", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void look(); } },
      h("label", null, "Priority", choice),
      h("label", null, "Download, at most", down), h("label", null, "Upload, at most", up),
      result,
      h("div", { class: "row" },
        h("button", { class: "primary", type: "button", onclick: () => void doIt(null) }, "Do it"),
        h("button", { type: "button", onclick: () => void doIt("2h") }, "Limits for 2 h"),
        h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
      ),
    ),
  );
  async function look() {
    /** @type {Record<string, any>} */
    const wanted = { level: Number(choice.value) };
    if (down.value.trim()) wanted.down = down.value.trim();
    if (up.value.trim()) wanted.up = up.value.trim();
    try {
      fill(result, previewTable(await act("POST", "/preview", { overrides: { [app]: wanted } }), app));
    } catch (error) {
      fill(result, h("p", { class: "problem" }, /** @type {Error} */ (error).message));
    }
  }
  /** @param {string | null} span */
  async function doIt(span) {
    const limits = { down: down.value.trim() || null, up: up.value.trim() || null, for: span };
    dialog.close();
    await attempt(() => act("PUT", `${path(app)}/priority`, { level: Number(choice.value) }));
    if (limits.down || limits.up) await attempt(() => act("PUT", `${path(app)}/limit`, limits));
  }
  void look();
}

/** Who was asked about, and whose rates would change. @param {any} answer @param {string} asked */
export function previewTable(answer, asked) {
  /** @param {any} side */
  const text = (side) => {
    if (side.freed) return `${bits(side.now_bps)} → ${side.limit_after_bps === null ? "all it asks for" : `up to ${bits(side.limit_after_bps)}`}`;
    return side.expected_bps < side.now_bps ? `${bits(side.now_bps)} → ${bits(side.expected_bps)}` : null;
  };
  /** @param {any} side */
  const cell = (side) => h("td", null, text(side) ?? [bits(side.now_bps), h("span", { class: "soft small" }, " as now")]);
  /** @type {any[]} */
  const shown = answer.apps.filter((/** @type {any} */ change) => change.app === asked || text(change.down) || text(change.up)).slice(0, 8);
  const rest = answer.apps.length - shown.length;
  return h("div", null,
    h("table", null,
      h("caption", { class: "visually-hidden" }, "Rates now and then"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Application"), h("th", { scope: "col" }, "Download"), h("th", { scope: "col" }, "Upload"))),
      h("tbody", null, shown.map((/** @type {any} */ change) => h("tr", null,
        h("td", { class: "app" }, safeName(change.app, 40)), cell(change.down), cell(change.up)))),
    ),
    rest > 0 ? h("p", { class: "soft small" }, rest === 1 ? "One other application goes on as now." : `${rest} other applications go on as now.`) : null,
    answer.notes.map((/** @type {string} */ note) => h("p", { class: "soft small sentence" }, note)),
  );
}

/**
 * Only what would change, in short lines.
 * @param {any} answer
 */
export function previewLines(answer) {
  /** @type {HTMLElement[]} */
  const lines = [];
  for (const change of answer.apps) {
    for (const [mark, side] of /** @type {[string, any][]} */ ([["▼", change.down], ["▲", change.up]])) {
      const then = side.freed ? (side.limit_after_bps === null ? "all it asks for" : `up to ${bits(side.limit_after_bps)}`) : side.expected_bps < side.now_bps ? bits(side.expected_bps) : null;
      if (then) lines.push(h("li", null, `${safeName(change.app, 30)} ${mark} ${bits(side.now_bps)} → ${then}`));
    }
  }
  return lines.length ? h("ul", { class: "plain" }, lines.slice(0, 6)) : h("p", { class: "soft small" }, "No rate would change now.");
}

/** @param {string} mode */
export function modeDialog(mode) {
  const modes = [
    ["observe", "Measures only. No packet is touched."],
    ["dry_run", "Decides and reports what it would do. No packet is held."],
    ["enforce", "Priorities and limits hold: packets of limited applications are delayed."],
  ];
  const dialog = openDialog("Mode of the enforcer",
    h("form", {
      method: "dialog",
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        const chosen = /** @type {RadioNodeList} */ (/** @type {HTMLFormElement} */ (event.target).elements.namedItem("mode")).value;
        dialog.close();
        await attempt(() => act("PUT", "/mode", { mode: chosen }));
      },
    },
      modes.map(([name, words]) => h("label", { class: "choice" }, h("input", { type: "radio", name: "mode", value: name, checked: name === mode }), name.replace("_", " "), h("small", null, words))),
      h("p", { class: "soft small" }, "Written into config.yaml with its comments kept (without such a file: into the store); in force within two seconds."),
      h("div", { class: "row" }, h("button", { class: "primary", type: "submit" }, "Set"), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")),
    ));
}
