// Forecasts: each series with its band and the baseline, and how good the last ones were.

import { get } from "../api.js";
import { Chart } from "../chart.js";
import { fill, h, safeName } from "../dom.js";
import { bits, dayTime, millis, percent } from "../format.js";

/** @param {string} series @returns {(value: number) => string} */
export function unitOf(series) {
  if (series.startsWith("latency")) return millis;
  return series.startsWith("loss") ? percent : bits;
}

/** What is forecast, in words. @param {string} series */
export function seriesWords(series) {
  const [kind, name] = [series.replace(/:.*/, ""), safeName(series.replace(/^[^:]*:/, ""), 60)];
  /** @type {Record<string, string>} */
  const words = { host_down: "Download of this computer", host_up: "Upload of this computer", app: `${name}, both directions`, latency: `Latency to ${name}`, loss: `Loss to ${name}` };
  return words[kind] ?? safeName(series, 60);
}

/** The computer first, then applications, then targets. @param {string} series */
function rank(series) {
  const at = ["host_down", "host_up", "app:", "latency:", "loss:"].findIndex((begin) => series.startsWith(begin));
  return at < 0 ? 9 : at;
}

/** Below this the axis does not go: an empty line is not a mountain. @param {string} series */
const least = (series) => (series.startsWith("loss") ? 0.05 : series.startsWith("latency") ? 5 : 10_000);

/** @param {any} series @param {number} height */
export function forecastChart(series, height) {
  const times = series.steps.map((/** @type {any} */ step) => step.time_ms / 1000);
  const line = (/** @type {string} */ name) => series.steps.map((/** @type {any} */ step) => Math.max(0, step[name]));
  const chart = new Chart({
    label: `Forecast of ${safeName(series.series, 40)}`, stacked: false, height, format: unitOf(series.series),
    bands: [{ low: 0, high: 1 }], colours: ["#8fa9c8", "#8fa9c8", "#999933", "#4477aa"], dashes: [[2, 3], [2, 3], [6, 4], undefined], least: least(series.series),
  });
  chart.show({ names: ["low (10 %)", "high (90 %)", "baseline", "forecast"], times, lines: [line("lower"), line("upper"), line("baseline"), line("value")] });
  return chart;
}

/** @param {any} series @param {any[]} scores */
export function forecastWords(series, scores) {
  const format = unitOf(series.series);
  const top = series.steps.reduce((/** @type {any} */ best, /** @type {any} */ step) => (step.value > best.value ? step : best), series.steps[0]);
  const score = scores.find((entry) => entry.series === series.series && entry.model === series.model);
  const words = [`Model: ${safeName(series.model, 30)}.`];
  if (score?.mase !== null && score?.mase !== undefined) words.push(score.mase < 1 ? `${percent(1 - score.mase)} better than the baseline on later data.` : "No better than the baseline on later data.");
  words.push(`Most at ${dayTime(top.time_ms)}: ${format(Math.max(0, top.lower))} to ${format(top.upper)}.`);
  return words.join(" ");
}

export class ForecastView {
  constructor() {
    /** @type {Chart[]} */
    this.charts = [];
    this.box = h("div", null, h("p", { class: "loading" }, "Loading…"));
    this.element = h("div", null, h("h1", null, "Forecast"), this.box);
    void this.load();
  }

  destroy() {
    for (const chart of this.charts) chart.destroy();
  }

  async load() {
    const [forecast, scores] = await Promise.all([get("/forecast"), get("/forecast/scores")]).catch((error) => {
      fill(this.box, h("p", { class: "notice" }, error.message));
      return [null, null];
    });
    if (!forecast) return;
    if (!forecast.forecasts.length) {
      fill(this.box, h("p", { class: "card" }, "No forecast yet. The forecaster needs some history (forecast.min_history steps) and runs every forecast.every; Health says how it goes."));
      return;
    }
    const sorted = [...forecast.forecasts].sort((a, b) => rank(a.series) - rank(b.series) || a.series.localeCompare(b.series));
    fill(this.box, h("p", { class: "soft" }, "What comes, as learned from what was measured. The band holds the truth in about four of five cases; the baseline is the simplest guess, for comparison."), h("div", { class: "pairs" }, sorted.map((/** @type {any} */ series) => {
      const chart = forecastChart(series, 190);
      this.charts.push(chart);
      const mine = scores.scores.filter((/** @type {any} */ score) => score.series === series.series).sort((/** @type {any} */ a, /** @type {any} */ b) => a.mae - b.mae);
      const format = unitOf(series.series);
      const number = (/** @type {number | null} */ value) => (value === null || value === undefined ? "–" : value.toFixed(2));
      return h("section", { class: "card" },
        h("h2", null, seriesWords(series.series), " ", h("small", null, h("code", null, safeName(series.series, 60)), `, made ${dayTime(Date.parse(series.made_at))}`)),
        chart.element, h("p", { class: "soft" }, forecastWords(series, scores.scores)),
        h("details", null, h("summary", null, "How good the models were on later data"),
          h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Scores of the models" }, h("table", null,
            h("thead", null, h("tr", null, ["Model", "Mean error", "Against naive (MASE)", "In the band", "Samples", ""].map((text, index) => h("th", { scope: "col", class: index && index < 5 ? "number" : "" }, text)))),
            h("tbody", null, mine.map((/** @type {any} */ score) => h("tr", null, h("td", null, safeName(score.model, 40)), h("td", { class: "number" }, format(score.mae)), h("td", { class: "number" }, number(score.mase)), h("td", { class: "number" }, percent(score.coverage)), h("td", { class: "number" }, score.samples), h("td", null, score.published ? "serves" : ""))))))));
    })));
  }
}
