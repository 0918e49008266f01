// Usage: per application and period, with what has no name and the host's sum; CSV and JSON.

import { download, get } from "../api.js";
import { fill, h, safeName } from "../dom.js";
import { bytes, dayTime, percent } from "../format.js";
import { say } from "../toast.js";

export class UsageView {
  constructor() {
    this.box = h("div", null);
    this.custom = h("input", { type: "text", placeholder: "7d, or 2026-11-01", "aria-label": "Since: a duration or a day", autocomplete: "off" });
    this.until = h("input", { type: "text", placeholder: "now", "aria-label": "Until: a day, or empty for now", autocomplete: "off" });
    this.since = "";
    this.query = "";
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick) => h("button", { type: "button", onclick }, text);
    const period = (/** @type {string} */ text, /** @type {() => string} */ since) => {
      const one = button(text, () => this.load(since(), "", one));
      this.periods.push(one);
      return one;
    };
    /** @type {HTMLButtonElement[]} */
    this.periods = [];
    const today = period("Today", midnight);
    this.element = h("div", null, h("h1", null, "Usage"),
      h("section", { class: "card" },
        h("div", { class: "row", role: "group", "aria-label": "Period" },
          today, period("This month", monthStart), period("24 hours", () => "24h"), period("7 days", () => "7d"),
          h("form", { class: "row", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void this.load(this.custom.value.trim() || "24h", this.until.value.trim()); } }, this.custom, "to", this.until, h("button", { type: "submit" }, "Show")),
          h("span", { class: "row" }, "Save as", button("CSV", () => this.save("csv")), button("JSON", () => this.save("json")))),
        this.box));
    void this.load(midnight(), "", today);
  }

  destroy() {}

  /** @param {"csv" | "json"} format */
  save(format) {
    download(`/usage?${this.query}&format=${format}`, `usage.${format}`).catch((error) => say(error.message));
  }

  /** @param {string} since @param {string} [until] @param {HTMLButtonElement | null} [pressed] */
  async load(since, until = "", pressed = null) {
    for (const one of this.periods) one.setAttribute("aria-pressed", String(one === pressed));
    this.query = `since=${encodeURIComponent(since)}${until ? `&until=${encodeURIComponent(until)}` : ""}`;
    let answer;
    try {
      answer = await get(`/usage?${this.query}`);
    } catch (error) {
      fill(this.box, h("p", { class: "notice" }, /** @type {Error} */ (error).message));
      return;
    }
    const all = Math.max(1, answer.host.rx_bytes + answer.host.tx_bytes);
    const share = (/** @type {any} */ part) => {
      const ratio = Math.min(1, (part.rx_bytes + part.tx_bytes) / all);
      const bar = h("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${Math.round(110 * ratio)}px`;
      return h("td", { class: "share-cell wide" }, h("span", { class: "number" }, percent(ratio)), bar);
    };
    const row = (/** @type {Node | string} */ name, /** @type {any} */ part, strong = false) => h("tr", null, h(strong ? "th" : "td", strong ? { scope: "row" } : { class: "app" }, name), h("td", { class: "number" }, bytes(part.rx_bytes)), h("td", { class: "number" }, bytes(part.tx_bytes)), share(part));
    const named = answer.apps.reduce((/** @type {any} */ sum, /** @type {any} */ app) => ({ rx_bytes: sum.rx_bytes + app.rx_bytes, tx_bytes: sum.tx_bytes + app.tx_bytes }), { rx_bytes: 0, tx_bytes: 0 });
    fill(this.box,
      h("p", { class: "soft" }, `${dayTime(Date.parse(answer.start))} – ${dayTime(Date.parse(answer.stop))}; `, answer.coverage === null ? "no data in this period" : `${percent(answer.coverage)} of the host's bytes have a name`),
      h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Usage by application" }, h("table", { class: "usage" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Application"), h("th", { scope: "col", class: "number" }, "Received"), h("th", { scope: "col", class: "number" }, "Sent"), h("th", { scope: "col", class: "wide" }, "Share"))),
        h("tbody", null, answer.apps.map((/** @type {any} */ app) => row(h("a", { href: `#/app/${encodeURIComponent(app.app)}` }, safeName(app.app, 60)), app))),
        h("tfoot", null, row("Named together", named, true), row("Unattributed", answer.unattributed, true), row("Host (all interfaces)", answer.host, true)))));
  }
}

export function midnight() {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  return day.toISOString();
}

export function monthStart() {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  day.setDate(1);
  return day.toISOString();
}
