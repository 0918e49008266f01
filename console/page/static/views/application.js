// One application: its chart, usage per day, processes, limits, reasons, its part in lag, its forecast.

import { act, get } from "../api.js";
import { Chart } from "../chart.js";
import { limitDialog, whatIfDialog } from "../dialogs.js";
import { fill, h, safeName } from "../dom.js";
import { bits, bytes, dayTime, LEVELS, localDay } from "../format.js";
import * as lag from "../lag.js";
import { attempt } from "../toast.js";
import { forecastChart, forecastWords } from "./forecast.js";
import { shadesOf } from "./timeline.js";

export class ApplicationView {
  /** @param {string} name @param {import("../model.js").LiveModel} model */
  constructor(name, model) {
    this.name = name;
    this.model = model;
    this.path = `/apps/${encodeURIComponent(name)}`;
    this.period = "1h";
    this.chart = new Chart({ label: `Traffic of ${safeName(name, 40)}`, stacked: false, height: 240, format: bits, colours: ["#4477aa", "#ee8833"] });
    /** @type {Chart | null} */
    this.forecastChart = null;
    this.policy = h("section", { class: "card" });
    this.days = h("section", { class: "card" }, h("h2", null, "Usage per day"));
    this.processes = h("section", { class: "card" });
    this.lag = h("section", { class: "card" });
    this.forecast = h("section", { class: "card" }, h("h2", null, "Forecast"), h("p", { class: "soft" }, "…"));
    const periods = h("select", { "aria-label": "Period of the chart", onchange: (/** @type {Event} */ event) => { this.period = /** @type {HTMLSelectElement} */ (event.target).value; void this.loadChart(); } },
      [["1h", "last hour"], ["24h", "last day"], ["7d", "last week"], ["30d", "last month"]].map(([value, text]) => h("option", { value }, text)));
    this.element = h("div", null, h("p", null, h("a", { href: "#/" }, "← Overview")), h("h1", null, safeName(name, 200)),
      this.policy,
      h("section", { class: "card" }, h("div", { class: "row spread" }, h("h2", null, "Traffic"), periods), this.chart.element),
      h("div", { class: "columns" }, h("div", null, this.days, this.processes), h("div", null, this.lag, this.forecast)));
    this.hand = "";
    this.ticks = 0;
    void this.load();
    void this.loadChart();
    void this.loadDays();
    void this.loadForecast();
  }

  destroy() {
    this.chart.destroy();
    this.forecastChart?.destroy();
  }

  update() {
    const app = this.model.frame?.apps.find((/** @type {any} */ entry) => entry.app === this.name);
    const hand = JSON.stringify([app?.hand, app?.priority, app?.down_bps, app?.up_bps, this.model.frame?.mode, this.model.frame?.paused]);
    this.ticks += 1;
    const changed = hand !== this.hand;
    this.hand = hand;
    if (changed || this.ticks % 5 === 0) void this.load(changed);
    if (this.period === "1h" && this.ticks % 10 === 0) void this.loadChart();
  }

  /** @param {boolean} changed whether the policy is drawn anew even under the keyboard's focus, which stays where it was */
  async load(changed = false) {
    let app;
    try {
      app = await get(this.path);
    } catch (error) {
      fill(this.policy, h("p", { class: "notice" }, /** @type {Error} */ (error).message));
      return;
    }
    const held = this.policy.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    if (changed || !held) this.drawPolicy(app);
    if (changed && held) this.focusLike(held);
    fill(this.processes, h("h2", null, "Processes now"), app.processes.length ? h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Processes" }, h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col", class: "number" }, "PID"), h("th", { scope: "col" }, "Name"), h("th", { scope: "col", class: "number" }, "▼ bit/s"), h("th", { scope: "col", class: "number" }, "▲ bit/s"), h("th", { scope: "col", class: "number" }, "Connections"))),
      h("tbody", null, app.processes.map((/** @type {any} */ process) => h("tr", null, h("td", { class: "number" }, process.pid), h("td", { class: "app" }, safeName(process.name || app.app, 60)), h("td", { class: "number" }, bits(process.rx_bps)), h("td", { class: "number" }, bits(process.tx_bps)), h("td", { class: "number" }, process.flows)))))) : h("p", { class: "soft" }, "None uses the network now."));
  }

  /** @param {HTMLElement} former the control that was focused; where it is gone, the button that sets a limit */
  focusLike(former) {
    const controls = /** @type {HTMLElement[]} */ ([...this.policy.querySelectorAll("select, button")]);
    const same = controls.find((control) => control.tagName === former.tagName && (control.tagName === "SELECT" || control.textContent === former.textContent));
    (same ?? controls.find((control) => control.tagName === "BUTTON"))?.focus();
  }

  /** @param {any} app */
  drawPolicy(app) {
    const writable = this.model.frame?.writable ?? false;
    const hand = app.hand;
    const level = h("select", { "aria-label": "Priority", disabled: !writable, onchange: async () => {
      await attempt(() => level.value === "auto" ? act("DELETE", `${this.path}/priority`) : act("PUT", `${this.path}/priority`, { level: Number(level.value) }));
      void this.load(true);
    } }, LEVELS.map((text, index) => h("option", { value: String(index), selected: (hand?.priority ?? app.policy?.priority ?? 3) === index }, `${index} ${text}`)), h("option", { value: "auto" }, "automatic"));
    fill(this.policy, h("h2", null, "Priority and limits"),
      h("div", { class: "row" }, level,
        h("button", { type: "button", disabled: !writable, onclick: () => limitDialog(this.name, hand, "down") }, "Limit…"),
        hand?.down_bps || hand?.up_bps ? h("button", { type: "button", disabled: !writable, onclick: () => attempt(() => act("DELETE", `${this.path}/limit`)) }, "Lift the limit") : null,
        h("button", { type: "button", onclick: () => whatIfDialog(this.name) }, "What if…")),
      h("ul", { class: "reasons" }, app.why.map((/** @type {string} */ line) => h("li", null, safeName(line, 300)))),
      hand?.until_ms ? h("p", null, `The limits by hand end ${dayTime(hand.until_ms)}.`) : null,
      app.last_day ? h("p", { class: "soft" }, `Last 24 hours: ▼ ${bytes(app.last_day.rx_bytes)} ▲ ${bytes(app.last_day.tx_bytes)}`) : null);
  }

  async loadChart() {
    const answer = await get(`/timeline?since=${this.period}&points=400&app=${encodeURIComponent(this.name)}`).catch(() => null);
    if (!answer) return;
    const step = answer.every_ms / 1000;
    const times = answer.ran.map((/** @type {boolean} */ _, /** @type {number} */ index) => answer.start_ms / 1000 + index * step);
    const line = answer.apps.find((/** @type {any} */ entry) => entry.app === this.name);
    this.chart.show({ names: ["▼ download", "▲ upload"], times, lines: line ? [line.down, line.up] : [[], []].map(() => answer.ran.map((/** @type {boolean} */ ran) => (ran ? 0 : null))) },
      shadesOf({ ...answer, events: answer.events.filter((/** @type {any} */ event) => event.subject === this.name) }));
    const mine = answer.incidents.filter((/** @type {lag.Incident} */ incident) => incident.app === this.name);
    fill(this.lag, h("h2", null, "Its part in lag"), h("p", null, lag.part(mine, answer.incidents)), mine.length ? mine.slice(0, 10).map(lag.card) : null);
  }

  async loadDays() {
    const where = encodeURIComponent(`app=${this.name}`);
    const answer = await get(`/query/app_traffic?since=30d&every=1h&aggregate=sum&where=${where}&limit=1000`).catch(() => null);
    const rows = answer?.rows ?? [];
    /** @type {Map<string, [number, number]>} */
    const days = new Map();
    for (const row of rows) {
      const day = localDay(new Date(row.time));
      const sum = days.get(day) ?? [0, 0];
      days.set(day, [sum[0] + (row.rx_bytes ?? 0), sum[1] + (row.tx_bytes ?? 0)]);
    }
    fill(this.days, h("h2", null, "Usage per day"), days.size ? h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Day"), h("th", { scope: "col", class: "number" }, "Received"), h("th", { scope: "col", class: "number" }, "Sent"))),
      h("tbody", null, [...days].reverse().map(([day, [rx, tx]]) => h("tr", null, h("td", null, day), h("td", { class: "number" }, bytes(rx)), h("td", { class: "number" }, bytes(tx)))))) : h("p", { class: "soft" }, "Nothing in the last 30 days."));
  }

  async loadForecast() {
    const [answer, scores] = await Promise.all([get(`/forecast?series=${encodeURIComponent(`app:${this.name}`)}`), get("/forecast/scores")]).catch(() => [null, null]);
    const series = answer?.forecasts[0];
    if (!series) {
      fill(this.forecast, h("h2", null, "Forecast"), h("p", { class: "soft" }, "None: only the busiest applications are forecast (forecast.top_apps)."));
      return;
    }
    this.forecastChart = forecastChart(series, 150);
    fill(this.forecast, h("h2", null, "Forecast"), this.forecastChart.element, h("p", { class: "soft small" }, forecastWords(series, scores.scores)));
  }
}
