// Charts: uPlot with stacking, gaps, brushing, an arrow-key cursor and a data table behind.

import "./language.js"; // first: see there
import uPlot from "./vendor/uplot.js";
import { fill, h, safeName, svg } from "./dom.js";
import { bits, clock, dayTime, rate } from "./format.js";

/** Told apart by colour-blind readers too (Paul Tol, "bright" and "muted"). */
export const COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8833", "#8866cc", "#999933", "#bbbbbb"];
const GREY = "#9aa1ab";

/** Which colour an application has: the same in every chart of this page, given out as they come. @type {Map<string, number>} */
const given = new Map();

/**
 * The colours of these applications; two of one chart never share one while there are enough.
 * @param {string[]} names
 */
export function coloursOf(names) {
  const used = new Set();
  return names.map((name) => {
    if (name === "unattributed") return "#c4c9d0";
    if (name === "other applications") return GREY;
    let at = given.get(name) ?? given.size % COLOURS.length;
    given.set(name, at);
    for (let tries = 0; used.has(at) && tries < COLOURS.length; tries += 1) at = (at + 1) % COLOURS.length;
    used.add(at);
    return COLOURS[at];
  });
}

/** @param {string} name */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @typedef {{names: string[], times: number[], lines: (number|null)[][]}} ChartData
 * @typedef {{from: number, to: number, kind: "lag" | "gap" | "event"}} Shade
 * @typedef {object} ChartOptions
 * @property {string} label what is drawn, for a screen reader
 * @property {boolean} stacked
 * @property {number} height
 * @property {(value: number) => string} [format]
 * @property {(from: number, to: number) => void} [onBrush] seconds
 * @property {boolean} [zoom] dragging zooms (the caller loads the range)
 * @property {{low: number, high: number}[]} [bands] indices of lines between which a band is filled
 * @property {string[]} [colours]
 * @property {number} [least] the vertical axis reaches at least so far
 * @property {(number[] | undefined)[]} [dashes]
 */

export class Chart {
  /**
   * @param {ChartOptions} options
   */
  constructor(options) {
    this.options = options;
    /** @type {ChartData} */
    this.data = { names: [], times: [], lines: [] };
    /** @type {Shade[]} */
    this.shades = [];
    /** @type {number | null} */
    this.limit = null;
    /** @type {any} */
    this.plot = null;
    this.plotBox = h("div", { class: "plot" });
    this.frame = h("div", {
      class: "chart", tabIndex: 0, role: "img",
      "aria-label": `${options.label}. Left and right arrow keys move the cursor; the values stand below; a table follows.`,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }, this.plotBox);
    this.legend = h("ul", { class: "legend" });
    this.hint = options.onBrush ? (options.zoom ? "Point to read; drag to zoom in." : "Point to read; drag to see who moved how much.") : "";
    this.readout = h("div", { class: "readout", "aria-live": "off" }, this.hint);
    this.table = h("details", { ontoggle: () => this.showTable() }, h("summary", null, "Show as table"), h("div", { class: "data-table", tabIndex: 0, role: "region", "aria-label": `${options.label}, as a table` }));
    this.element = h("div", null, this.frame, this.legend, this.readout, this.table);
    /** @type {string[]} */
    this.palette = [];
    this.resize = new ResizeObserver(() => {
      const width = this.plotBox.clientWidth;
      if (this.plot && width > 40 && Math.abs(width - this.plot.width) > 1) this.plot.setSize({ width, height: options.height });
    });
    this.resize.observe(this.plotBox);
    this.theme = matchMedia("(prefers-color-scheme: dark)");
    this.themed = () => this.rebuild();
    this.theme.addEventListener("change", this.themed);
  }

  destroy() {
    this.resize.disconnect();
    this.theme.removeEventListener("change", this.themed);
    this.plot?.destroy();
    this.plot = null;
  }

  /**
   * @param {ChartData} data times in seconds
   * @param {Shade[]} [shades]
   * @param {number | null} [limit] a dashed line
   */
  show(data, shades = [], limit = null) {
    const same = data.names.join("\n") === this.data.names.join("\n");
    this.data = data;
    this.shades = shades;
    this.limit = limit;
    if (!this.plot || !same) this.rebuild();
    else this.plot.setData(/** @type {any} */ (this.columns()));
    if (this.table.open) this.showTable();
    if (this.plot?.cursor.idx !== null) this.say(this.plot?.cursor.idx);
  }

  columns() {
    const { times, lines } = this.data;
    if (!this.options.stacked) return [times, ...lines];
    /** @type {(number|null)[][]} */
    const stacked = [];
    let above = times.map(() => /** @type {number|null} */ (0));
    for (const line of [...lines].reverse()) {
      above = line.map((value, index) => (value === null || above[index] === null ? null : value + /** @type {number} */ (above[index])));
      stacked.unshift(above);
    }
    return [times, ...stacked];
  }

  /** @param {number} index */
  colour(index) {
    return this.options.colours?.[index] ?? this.palette[index];
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    const { names, times } = this.data;
    this.palette = this.options.stacked ? coloursOf(names) : names.map((_, index) => COLOURS[index % COLOURS.length]);
    fill(this.legend, names.map((name, index) => h("li", null, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, rx: 2, fill: this.colour(index) })), safeName(name, 28))));
    if (!times.length) {
      fill(this.plotBox, h("p", { class: "soft" }, "Nothing measured in this period."));
      return;
    }
    fill(this.plotBox);
    const format = this.options.format === bits || !this.options.format ? rate : this.options.format;
    const axis = { stroke: css("--soft"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 }, font: "12px system-ui, sans-serif" };
    this.plot = new uPlot({
      width: Math.max(120, this.plotBox.clientWidth),
      height: this.options.height,
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: false, setScale: false }, y: false },
      scales: { x: { range: (/** @type {any} */ _u, /** @type {number} */ low, /** @type {number} */ high) => (low === high ? [low - 150, high + 150] : [low, high]) }, y: { range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(high || 0, this.limit ?? 0, this.options.least ?? 1e-9) * 1.06] } },
      axes: [
        { ...axis, values: (/** @type {any} */ u, /** @type {number[]} */ splits) => splits.map((t) => this.tick(t, u.scales.x, u.width)), space: this.plotBox.clientWidth < 500 ? 54 : 70 },
        { ...axis, size: 62, values: (/** @type {any} */ _u, /** @type {number[]} */ splits) => splits.map((value) => format(value)) },
      ],
      series: [
        {},
        ...names.map((_, index) => ({
          stroke: this.colour(index),
          width: this.options.stacked ? 0.5 : 1.6,
          fill: this.options.stacked ? this.colour(index) : undefined,
          dash: this.options.dashes?.[index],
          points: { show: false },
          spanGaps: false,
        })),
      ],
      bands: this.options.bands?.map((band) => ({ series: [band.high + 1, band.low + 1], fill: css("--accent-soft") })),
      hooks: {
        setCursor: [(/** @type {any} */ u) => this.say(u.cursor.idx)],
        setSelect: [(/** @type {any} */ u) => this.brushed(u)],
        drawClear: [(/** @type {any} */ u) => this.drawShades(u)],
        draw: [(/** @type {any} */ u) => this.drawLimit(u)],
      },
    }, /** @type {any} */ (this.columns()), this.plotBox);
  }

  /** @param {number} t @param {any} scale @param {number} width */
  tick(t, scale, width) {
    const seconds = (scale.max ?? 0) - (scale.min ?? 0);
    if (seconds <= 3600) return clock(t * 1000).slice(0, seconds <= 900 && (width >= 500 || t % 60) ? 8 : 5);
    const date = new Date(t * 1000);
    if (seconds <= 2 * 86400 || date.getHours() || date.getMinutes()) return clock(t * 1000).slice(0, 5);
    return date.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  }

  /** @param {any} u */
  drawShades(u) {
    const { ctx, bbox } = u;
    for (const shade of this.shades.filter((shade) => shade.kind !== "event")) {
      const left = Math.max(bbox.left, u.valToPos(shade.from, "x", true));
      const right = Math.min(bbox.left + bbox.width, u.valToPos(shade.to, "x", true));
      if (right <= left) continue;
      ctx.fillStyle = shade.kind === "lag" ? css("--bad-soft") : css("--gap");
      ctx.globalAlpha = shade.kind === "gap" ? 0.45 : 0.9;
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
      ctx.globalAlpha = 1;
    }
  }

  /** @param {any} u */
  drawLimit(u) {
    const { ctx, bbox } = u;
    for (const shade of this.shades.filter((shade) => shade.kind === "lag")) {
      // once more above the areas, as an edge: the fill below is hidden by opaque applications
      const left = Math.max(bbox.left, u.valToPos(shade.from, "x", true));
      const right = Math.min(bbox.left + bbox.width, u.valToPos(shade.to, "x", true));
      if (right <= left) continue;
      ctx.fillStyle = css("--bad");
      ctx.globalAlpha = 0.16;
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
      ctx.globalAlpha = 1;
    }
    for (const mark of this.shades.filter((shade) => shade.kind === "event")) {
      const x = u.valToPos(mark.from, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillStyle = css("--accent");
      ctx.fillRect(x - 1, bbox.top, 2, 12 * devicePixelRatio);
    }
    if (this.limit === null) return;
    const y = u.valToPos(this.limit, "y", true);
    ctx.save();
    ctx.strokeStyle = css("--soft");
    ctx.setLineDash([6, 5]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  /** @param {any} u */
  brushed(u) {
    if (u.select.width < 4 || !this.options.onBrush) return;
    const from = u.posToVal(u.select.left, "x");
    const to = u.posToVal(u.select.left + u.select.width, "x");
    if (this.options.zoom) u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.options.onBrush(from, to);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const count = this.data.times.length;
    if (!this.plot || !count) return;
    const now = this.plot.cursor.idx ?? count - 1;
    const far = event.shiftKey ? 10 : 1;
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: now - far, ArrowRight: now + far, Home: 0, End: count - 1 };
    if (event.key === "Enter" && this.options.onBrush) {
      const t = this.data.times[now];
      const half = Math.max(5, (this.data.times[count - 1] - this.data.times[0]) / 60);
      this.options.onBrush(t - half, t + half);
      event.preventDefault();
      return;
    }
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = Math.min(count - 1, Math.max(0, moves[event.key]));
    this.readout.setAttribute("aria-live", "polite"); // only what the person moves to is announced
    this.plot.setCursor({ left: this.plot.valToPos(this.data.times[next], "x"), top: 10 });
    this.say(next);
  }

  /** @param {number | null | undefined} index */
  say(index) {
    if (index === null || index === undefined || this.data.times[index] === undefined) {
      this.readout.setAttribute("aria-live", "off");
      this.readout.textContent = this.hint;
      return;
    }
    const t = this.data.times[index] * 1000;
    const format = this.options.format ?? bits;
    const values = this.data.names
      .map((name, line) => ({ name, value: this.data.lines[line][index] }))
      .filter((entry) => entry.value !== null && entry.value !== undefined && (entry.value > 0 || !this.options.stacked))
      .sort((a, b) => (this.options.stacked ? (b.value ?? 0) - (a.value ?? 0) : 0))
      .slice(0, 6)
      .map((entry) => `${safeName(entry.name, 24)} ${format(entry.value ?? 0)}`);
    const span = this.data.times[this.data.times.length - 1] - this.data.times[0];
    this.readout.textContent = `${span > 7200 ? dayTime(t) : clock(t)}  ${values.join(" · ") || (this.data.lines.some((line) => line[index] !== null) ? "nothing" : "not measured")}`;
  }

  showTable() {
    const box = /** @type {HTMLElement} */ (this.table.lastElementChild);
    if (!this.table.open) {
      fill(box);
      return;
    }
    const format = this.options.format ?? rate;
    const { names, times, lines } = this.data;
    const step = Math.max(1, Math.ceil(times.length / 60));
    const picked = times.map((_, index) => index).filter((index) => index % step === 0).reverse();
    fill(box, h("table", null,
      h("caption", { class: "visually-hidden" }, this.options.label),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Time"), names.map((name) => h("th", { scope: "col", class: "number" }, safeName(name, 24))))),
      h("tbody", null, picked.map((index) => h("tr", null,
        h("th", { scope: "row" }, dayTime(times[index] * 1000)),
        lines.map((line) => h("td", { class: "number" }, line[index] === null || line[index] === undefined ? "–" : format(/** @type {number} */ (line[index])))),
      ))),
    ));
  }
}

/**
 * A small line without axes.
 * @param {(number | null)[]} values
 */
export function sparkline(values) {
  const top = Math.max(1, ...values.map((value) => value ?? 0)) * 1.1;
  let path = "";
  let pen = false;
  values.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${((index / Math.max(1, values.length - 1)) * 130).toFixed(1)} ${(35 - (value / top) * 33).toFixed(1)}`;
    pen = true;
  });
  return svg("svg", { class: "spark", viewBox: "0 0 130 36", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { d: path || "M0 35" }));
}
