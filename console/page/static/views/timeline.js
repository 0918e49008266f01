// Hours to months: zoom by dragging, pan by buttons or keys; lag, limits and events on it; gaps where nothing ran.

import { get } from "../api.js";
import { Chart } from "../chart.js";
import { fill, h, safeName } from "../dom.js";
import { dayTime, millis, span, stamp } from "../format.js";
import * as lag from "../lag.js";

const SPANS = /** @type {[string, number][]} */ ([["1 hour", 3600], ["6 hours", 21600], ["1 day", 86400], ["1 week", 604800], ["1 month", 2592000], ["1 year", 31536000]]);

/** @param {any} answer */
export function chartData(answer, side = "down") {
  const step = answer.every_ms / 1000;
  return {
    names: answer.apps.map((/** @type {any} */ line) => line.app),
    times: answer.ran.map((/** @type {boolean} */ _, /** @type {number} */ index) => answer.start_ms / 1000 + index * step),
    lines: answer.apps.map((/** @type {any} */ line) => (side === "both" ? line.down.map((/** @type {number|null} */ value, /** @type {number} */ index) => (value === null && line.up[index] === null ? null : (value ?? 0) + (line.up[index] ?? 0))) : line[side])),
  };
}

/** @param {any} answer @returns {import("../chart.js").Shade[]} */
export function shadesOf(answer) {
  return [
    ...answer.gaps.map((/** @type {any} */ gap) => ({ from: gap.start_ms / 1000, to: gap.stop_ms / 1000, kind: "gap" })),
    ...answer.incidents.map((/** @type {lag.Incident} */ incident) => ({ from: incident.start_ms / 1000, to: incident.start_ms / 1000 + incident.duration_s, kind: "lag" })),
    ...answer.events.map((/** @type {any} */ event) => ({ from: event.time_ms / 1000, to: event.time_ms / 1000, kind: "event" })),
  ];
}

export class TimelineView {
  constructor() {
    const now = Date.now() / 1000;
    this.from = now - 21600;
    this.to = now;
    /** @type {"down" | "up" | "both"} */
    this.side = "down";
    /** @type {any} */
    this.answer = null;
    this.loading = 0;
    const zoom = (/** @type {number} */ from, /** @type {number} */ to) => this.show(from, to);
    this.chart = new Chart({ label: "Traffic by application over the period", stacked: true, height: 320, onBrush: zoom, zoom: true });
    this.latency = new Chart({ label: "Latency over the period", stacked: false, height: 170, onBrush: zoom, zoom: true, format: millis });
    this.period = h("h2", { class: "next" }, "");
    this.list = h("div", null);
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick, label = text) => h("button", { type: "button", onclick, "aria-label": label }, text);
    this.spans = SPANS.map(([text, seconds]) => button(text, () => this.show(Date.now() / 1000 - seconds, Date.now() / 1000)));
    this.element = h("div", null, h("h1", null, "Timeline"),
      h("section", { class: "card" },
        h("div", { class: "row", role: "group", "aria-label": "Period" },
          this.spans,
          button("◀", () => this.pan(-0.5), "Earlier"), button("▶", () => this.pan(0.5), "Later"),
          button("+", () => this.zoom(0.5), "Zoom in"), button("−", () => this.zoom(2), "Zoom out"),
          h("select", { "aria-label": "Direction of the chart", onchange: (/** @type {Event} */ event) => { this.side = /** @type {any} */ (/** @type {HTMLSelectElement} */ (event.target).value); this.draw(); } },
            h("option", { value: "down" }, "Download"), h("option", { value: "up" }, "Upload"), h("option", { value: "both" }, "Both"))),
        this.period, this.chart.element, h("h2", { class: "next" }, "Latency"), this.latency.element,
        h("p", { class: "soft small" }, "Red: lag. Blue marks at the top: limits and events, listed below. Grey: nothing was measured (asleep, or AutoQoS was not running).")),
      this.list);
    this.show(this.from, this.to);
  }

  destroy() {
    this.chart.destroy();
    this.latency.destroy();
  }

  /** @param {number} share */
  pan(share) {
    const width = this.to - this.from;
    this.show(this.from + share * width, this.to + share * width);
  }

  /** @param {number} factor */
  zoom(factor) {
    const middle = (this.from + this.to) / 2;
    const half = ((this.to - this.from) / 2) * factor;
    this.show(middle - half, middle + half);
  }

  /** @param {number} from @param {number} to */
  async show(from, to) {
    const now = Date.now() / 1000;
    const width = Math.min(Math.max(30, to - from), 6 * 31536000);
    this.to = Math.min(to, now);
    this.from = this.to - width;
    const mine = ++this.loading;
    const iso = (/** @type {number} */ t) => encodeURIComponent(new Date(t * 1000).toISOString());
    try {
      const answer = await get(`/timeline?since=${iso(this.from)}&until=${iso(this.to)}&points=600`);
      if (mine !== this.loading) return;
      this.answer = answer;
      this.draw();
    } catch (error) {
      if (mine === this.loading) fill(this.list, h("p", { class: "notice" }, /** @type {Error} */ (error).message));
    }
  }

  draw() {
    const answer = this.answer;
    if (!answer) return;
    this.period.textContent = `${dayTime(this.from * 1000)} – ${dayTime(this.to * 1000)} (${span(this.to - this.from)}; one point per ${span(answer.every_ms / 1000)})`;
    this.spans.forEach((button, index) => button.setAttribute("aria-pressed", String(Math.abs(this.to - this.from - SPANS[index][1]) < 1)));
    const shades = shadesOf(answer);
    this.chart.show(chartData(answer, this.side), shades);
    const times = chartData(answer).times;
    this.latency.show({ names: answer.probes.map((/** @type {any} */ line) => line.target), times: answer.probes.length ? times : [], lines: answer.probes.map((/** @type {any} */ line) => line.rtt_ms) }, shades);
    fill(this.list,
      h("section", { class: "card" }, h("h2", null, "Lag"), answer.incidents.length ? answer.incidents.map(lag.card) : h("p", { class: "soft" }, "No lag in this period.")),
      h("section", { class: "card" }, h("h2", null, "Limits and events"), answer.events.length
        ? h("div", { class: "scroll data-table", tabIndex: 0, role: "region", "aria-label": "Limits and events" }, h("table", { class: "log" },
          h("thead", null, h("tr", null, ["Time", "Part", "What", "Message"].map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", null, answer.events.map((/** @type {any} */ event) => h("tr", null, h("td", { class: "when" }, stamp(event.time_ms)), h("td", null, safeName(event.part, 30)), h("td", null, `${safeName(event.kind, 40)} ${safeName(event.subject, 60)}`), h("td", null, safeName(event.message, 300)))))))
        : h("p", { class: "soft" }, "Nothing happened in this period.")));
  }
}
