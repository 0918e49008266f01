// Health: parts, capture and why, what is not seen, the outbox, what the agent costs, events, what was done here.

import { act, get } from "../api.js";
import { fill, h, safeName } from "../dom.js";
import { bytes, percent, span, stamp } from "../format.js";
import { attempt } from "../toast.js";

export class HealthView {
  constructor() {
    this.box = h("div", null, h("p", { class: "loading" }, "Loading…"));
    this.element = h("div", null, h("h1", null, "Health"), this.box);
    this.timer = setInterval(() => { if (!document.hidden && !this.box.contains(document.activeElement)) void this.load(); }, 5000);
    void this.load();
  }

  destroy() {
    clearInterval(this.timer);
  }

  async load() {
    let status;
    let events;
    let actions;
    try {
      [status, events, actions] = await Promise.all([get("/status"), get("/happenings?since=24h&limit=100"), get("/history?limit=30")]);
    } catch (error) {
      fill(this.box, h("p", { class: "notice" }, /** @type {Error} */ (error).message));
      return;
    }
    const capture = status.capture;
    fill(this.box,
      status.running ? null : h("p", { class: "notice" }, "AutoQoS is not running: start it with ", h("code", null, "autoqos up"), "."),
      status.writable ? null : h("p", { class: "notice plain" }, "This page may only read. To steer, start it with the rights of the agent (as root or administrator)."),
      h("section", { class: "card" }, h("h2", null, "Parts"), h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Parts" }, h("table", { class: "parts" },
        h("thead", null, h("tr", null, ["Part", "State", "PID", "CPU", "Memory", "Detail"].map((text, index) => h("th", { scope: "col", class: index === 2 ? "number wide" : index > 1 && index < 5 ? "number" : "" }, text)))),
        h("tbody", null, status.parts.map((/** @type {any} */ part) => h("tr", null, h("td", { class: "app" }, part.part), h("td", { class: part.running ? "good" : "bad" }, part.running ? part.state : `${part.state}, last heard ${span(part.age_s)} ago`), h("td", { class: "number wide" }, part.pid ?? ""), h("td", { class: "number" }, part.cpu_percent === null ? "" : `${part.cpu_percent.toFixed(1)} %`), h("td", { class: "number" }, part.rss_bytes === null ? "" : bytes(part.rss_bytes)), h("td", null, safeName(part.detail ?? "", 200)))))))),
      h("section", { class: "card" }, h("h2", null, "Measuring"), h("dl", { class: "facts" },
        fact("Capture", capture ? (capture.reason.startsWith(capture.backend) ? capture.reason : `${capture.backend}: ${capture.reason}`) : "none"),
        fact("Coverage", capture ? `${percent(capture.coverage)} of the interfaces' bytes named, ${capture.lost} lost` : "–"),
        fact("Not seen", capture?.blind_to.length ? capture.blind_to.join("; ") : "–"),
        fact("Notes", status.notes.length ? status.notes.join("; ") : "–"),
        fact("AutoQoS itself", `${status.self.cpu_percent.toFixed(1)} % of one core, ${bytes(status.self.rss_bytes)} of memory (what the parts share is counted in each)`),
        fact("Mode", status.mode.replace("_", " ") + (status.paused ? ", paused" : "")),
        fact("Store", `${status.store.path} (${status.store.bytes === null ? "none yet" : bytes(status.store.bytes)})`),
        fact("Settings", status.config ?? "built-in defaults"),
        fact("Outbox", status.outbox ? `${status.outbox.url}: ${status.outbox.rows} rows waiting${status.outbox.last_error ? `; last error: ${status.outbox.last_error}` : ""}` : "no InfluxDB in the settings"))),
      h("section", { class: "card" }, h("h2", null, "Done by hand ", h("small", null, "(page, API, terminal)")), actions.actions.length ? h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Actions" }, h("table", { class: "log" }, h("thead", null, h("tr", null, ["Time", "What", "From", ""].map((text) => h("th", { scope: "col" }, text || h("span", { class: "visually-hidden" }, "Undo"))))), h("tbody", null, actions.actions.map((/** @type {any} */ action) => h("tr", null, h("td", { class: "when" }, stamp(Date.parse(action.time))), h("td", { class: "most" }, safeName(action.said, 200)), h("td", null, action.client === "api" ? "API" : action.client), h("td", null, action.undone ? "undone" : h("button", { type: "button", "aria-label": `Undo: ${safeName(action.said, 100)}`, title: `sets: ${safeName(action.inverse, 100)}`, onclick: async () => { await attempt(() => act("POST", `/history/${action.id}/undo`)); void this.load(); } }, "Undo"))))))) : h("p", { class: "soft" }, "Nothing yet.")),
      h("section", { class: "card" }, h("h2", null, "Events of the last day"), events.events.length ? h("div", { class: "scroll data-table", tabIndex: 0, role: "region", "aria-label": "Events" }, h("table", { class: "log" }, h("thead", null, h("tr", null, ["Time", "Part", "What", "Message"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", null, events.events.map((/** @type {any} */ event) => h("tr", null, h("td", { class: "when" }, stamp(event.time_ms)), h("td", null, safeName(event.part, 30)), h("td", null, `${safeName(event.kind, 40)} ${safeName(event.subject, 60)}`), h("td", null, safeName(event.message, 300))))))) : h("p", { class: "soft" }, "None.")));
  }
}

/** @param {string} name @param {string} text */
function fact(name, text) {
  return [h("dt", null, name), h("dd", null, safeName(text, 500))];
}
