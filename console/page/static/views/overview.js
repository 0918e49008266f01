// The overview: how the connection is, who uses it, what comes next; priorities and limits in place.

import { act, get } from "../api.js";
import { Chart, sparkline } from "../chart.js";
import { limitDialog, modeDialog, previewLines, whatIfDialog, whyDialog } from "../dialogs.js";
import { fill, h, safeName, setText } from "../dom.js";
import { bits, bytes, clock, LEVELS, millis, percent, rate, SOURCE_WORDS, SOURCES } from "../format.js";
import * as lag from "../lag.js";
import { attempt } from "../toast.js";

/** @typedef {import("../model.js").LiveModel} LiveModel */
/** @typedef {{row: HTMLTableRowElement, update: (app: any, most: number) => void}} AppRow */

export class Overview {
  /** @param {LiveModel} model */
  constructor(model) {
    this.model = model;
    /** @type {"down" | "up" | "both"} */
    this.side = "down";
    /** @type {"rx_bps" | "tx_bps" | "app"} */
    this.sort = "rx_bps";
    this.title = h("h2", null, "");
    this.chart = new Chart({ label: "Traffic by application over the last five minutes", stacked: true, height: 300, onBrush: (from, to) => this.brushed(from, to) });
    this.strip = h("div", { class: "strip" });
    this.who = h("div", null);
    this.lagNow = h("div", null);
    this.lagCard = h("section", { class: "card", "aria-label": "Lag" });
    this.next = h("section", { class: "card", "aria-label": "Next hour" }, h("h2", null, "Next hour"), h("p", { class: "soft" }, "…"));
    this.note = h("div", null);
    /** @type {Map<string, AppRow>} */
    this.rows = new Map();
    this.body = h("tbody", null);
    this.lagId = "";
    this.stripKey = "";
    /** @type {Chart | null} */
    this.nextChart = null;
    const sides = h("select", { "aria-label": "Direction of the chart", onchange: (/** @type {Event} */ event) => { this.side = /** @type {any} */ (/** @type {HTMLSelectElement} */ (event.target).value); this.draw(); } },
      h("option", { value: "down" }, "Download"), h("option", { value: "up" }, "Upload"), h("option", { value: "both" }, "Both"));
    const head = (/** @type {string} */ text, /** @type {"rx_bps" | "tx_bps" | "app"} */ key, number = true) =>
      h("th", { scope: "col", class: `${number ? "number" : ""} ${key === "tx_bps" ? "wide" : ""}` }, h("button", { type: "button", onclick: () => { this.sort = key; this.arrange(true); } }, text));
    this.element = h("div", { class: "overview" },
      h("h1", { class: "visually-hidden" }, "Overview"),
      this.note,
      h("section", { class: "card strip-card", "aria-label": "Connection" }, this.strip),
      h("div", { class: "columns" },
        h("div", { class: "left" },
          h("section", { class: "card chart-card", "aria-label": "Traffic" }, h("div", { class: "row spread" }, this.title, sides), this.chart.element, this.who),
          h("section", { class: "card apps-card", "aria-label": "Applications" }, h("h2", null, "Applications"),
            h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Applications" }, h("table", null,
              h("thead", null, h("tr", null, head("Application", "app", false), head("▼ bit/s", "rx_bps"), head("▲ bit/s", "tx_bps"),
                h("th", { scope: "col" }, "Priority"), h("th", { scope: "col", class: "wide" }, "▼ limit"), h("th", { scope: "col", class: "wide" }, "▲ limit"),
                h("th", { scope: "col", class: "wide" }, h("span", { class: "visually-hidden" }, "Explain")))),
              this.body)))),
        h("div", { class: "right" }, this.lagCard, this.next)));
    void this.loadNext();
    this.timer = setInterval(() => void this.loadNext(), 60_000);
    this.update();
  }

  destroy() {
    clearInterval(this.timer);
    this.chart.destroy();
    this.nextChart?.destroy();
  }

  update() {
    const frame = this.model.frame;
    this.draw();
    if (!frame) return;
    fill(this.note, frame.live ? frame.note && frame.mode !== "observe" && h("p", { class: "notice plain" }, frame.note)
      : h("p", { class: "notice" }, "No collector is running: nothing is measured now. Start it with ", h("code", null, "autoqos up"), "."));
    this.drawStrip(frame);
    this.drawLag(frame);
    this.drawApps(frame);
  }

  draw() {
    const frame = this.model.frame;
    const link = this.side === "both" ? null : frame?.link?.[`${this.side}_bps`] ?? null;
    const words = { down: "Download", up: "Upload", both: "Download and upload" }[this.side];
    setText(this.title, `${words} by application, last 5 minutes (bit/s${link ? `; link ${bits(link)}` : ""})`);
    const data = this.model.chart(this.side);
    /** @type {import("../chart.js").Shade[]} */
    const shades = [];
    if (frame?.lag) shades.push({ from: frame.lag.start_ms / 1000, to: frame.lag.running ? Date.now() / 1000 : frame.lag.start_ms / 1000 + frame.lag.duration_s, kind: "lag" });
    this.chart.show(data, shades, link);
  }

  /** @param {any} frame */
  drawStrip(frame) {
    const incident = frame.lag;
    const state = incident?.running
      ? h("div", { class: "lag" }, h("strong", { class: "bad" }, `Lag ${lag.when(incident)}`), h("div", null, `${lag.extra(incident)} · ${lag.cause(incident)}`))
      : h("div", { class: "lag" }, h("strong", { class: frame.live ? "good" : "soft" }, frame.live ? "No lag now" : "Not measured"),
        h("div", { class: "soft" }, incident ? `last: ${lag.when(incident)}, ${lag.extra(incident)}, ${lag.cause(incident)}` : "none in the last hour"),
        frame.host ? h("div", { class: "figure" }, h("span", { class: "whole" }, `▼ ${bits(frame.host.rx_bps)} `), " ", h("span", { class: "whole" }, `▲ ${bits(frame.host.tx_bps)}`)) : null);
    const targets = (frame.probes ?? []).map((/** @type {any} */ probe) => h("div", { class: "target" },
      h("div", null, h("div", null, h("b", null, safeName(probe.target, 40)), " ", h("span", { class: probe.ok ? "figure" : "bad" }, probe.ok ? millis(probe.rtt_ms) : safeName(probe.reason || "no answer", 30))),
        h("div", { class: "soft small" }, probe.usual_ms === undefined ? null : h("span", { class: "whole" }, `usual ${millis(probe.usual_ms)} · `), h("span", { class: "whole" }, `loss ${percent(probe.loss_ratio)}`))),
      sparkline(this.model.rtts(probe.target))));
    fill(this.strip, state, targets);
  }

  /** @param {any} frame */
  drawLag(frame) {
    const level = frame.apps.find((/** @type {any} */ entry) => entry.app === frame.lag?.app)?.priority;
    const key = frame.lag ? `${frame.lag.id} ${frame.lag.running} ${frame.lag.running ? "" : frame.lag.duration_s} ${frame.lag.cause} ${frame.lag.app} ${level} ${frame.mode}` : "none";
    if (key === this.lagId) {
      if (frame.lag?.running) this.lagNow.replaceChildren(lag.card({ ...frame.lag, advice: frame.lag.app ? undefined : frame.lag.advice })); // it grows; the questions below stay
      return;
    }
    this.lagId = key;
    if (!frame.lag) {
      fill(this.lagCard, h("h2", null, "What made the lag"), h("p", { class: "soft" }, "No lag in the last hour."));
      return;
    }
    const incident = frame.lag;
    const app = incident.cause === "application" ? incident.app : null;
    const preview = h("div", null);
    this.lagNow.replaceChildren(lag.card({ ...incident, advice: app ? undefined : incident.advice })); // buttons below say it
    const last = level === 5; // nothing lower is left: a limit is, or to enforce at all
    const shown = safeName(app ?? "", 30);
    const ways = !app ? null : last
      ? h("div", null, h("p", null, `${shown} is background (5) already. ${frame.mode === "enforce" ? "A limit holds it lower." : `Nothing is held in mode ${frame.mode.replace("_", " ")}.`}`),
        h("div", { class: "row" }, frame.mode === "enforce"
          ? h("button", { class: "primary", type: "button", onclick: () => limitDialog(app, this.model.frame?.apps.find((/** @type {any} */ entry) => entry.app === app)?.hand, incident.direction === "up" ? "up" : "down") }, "Limit…")
          : h("button", { class: "primary", type: "button", onclick: () => modeDialog(frame.mode) }, "Change the mode…"),
        h("button", { type: "button", onclick: () => whyDialog(app) }, "Why?")))
      : h("div", null, h("strong", null, `What if ${shown} were background (5)?`), preview,
        h("div", { class: "row" },
          h("button", { class: "primary", type: "button", onclick: () => attempt(() => act("PUT", `/apps/${encodeURIComponent(app)}/priority`, { level: 5 })) }, "Do it"),
          h("button", { type: "button", onclick: () => whyDialog(app) }, "Why?")));
    fill(this.lagCard, h("h2", null, "What made the lag"), this.lagNow, ways, h("p", { class: "after" }, h("a", { href: "#/timeline" }, "All lag on the timeline")));
    if (app && !last) act("POST", "/preview", { overrides: { [app]: { level: 5 } } }).then((answer) => fill(preview, previewLines(answer)), () => fill(preview));
  }

  /** @param {any} frame */
  drawApps(frame) {
    /** @type {any[]} */
    const apps = frame.apps;
    const present = new Set(apps.map((app) => app.app));
    const most = Math.max(1, ...apps.map((app) => app.rx_bps ?? 0));
    for (const [name, entry] of this.rows) {
      if (!present.has(name) && !entry.row.contains(document.activeElement)) {
        entry.row.remove();
        this.rows.delete(name);
      }
    }
    let added = false;
    for (const app of apps) {
      let entry = this.rows.get(app.app);
      if (!entry) {
        entry = this.makeRow(app.app);
        this.rows.set(app.app, entry);
        this.body.append(entry.row);
        added = true;
      }
      entry.update(app, most);
    }
    this.drawUnnamed(frame);
    this.arrange(added);
  }

  /** @param {any} frame */
  drawUnnamed(frame) {
    let entry = this.rows.get("\u0000unattributed");
    if (!entry) {
      const down = h("span", null);
      const up = h("td", { class: "number wide" });
      const row = h("tr", null, h("td", { class: "app" }, "unattributed"), h("td", { class: "number" }, down, h("span", { class: "barbox" })), up, h("td", { colSpan: 4, class: "soft small" }, "no application could be named for it"));
      entry = { row, update: (app) => { setText(down, rate(app?.rx_bps ?? 0)); setText(up, rate(app?.tx_bps ?? 0)); } };
      this.rows.set("\u0000unattributed", entry);
    }
    entry.update(frame.unattributed, 1);
    if (this.body.lastElementChild !== entry.row && !this.body.contains(document.activeElement)) this.body.append(entry.row);
  }

  /** Rows are not moved while somebody works in the table. @param {boolean} force */
  arrange(force) {
    if (!force && (this.body.contains(document.activeElement) || this.body.matches(":hover"))) return;
    if (this.body.contains(document.activeElement)) return;
    const apps = [...(this.model.frame?.apps ?? [])];
    const key = this.sort;
    apps.sort((a, b) => (key === "app" ? a.app.localeCompare(b.app) : (b[key] ?? 0) - (a[key] ?? 0) || (b.rx_bytes ?? 0) - (a.rx_bytes ?? 0) || a.app.localeCompare(b.app)));
    const wanted = [...apps.map((app) => this.rows.get(app.app)?.row), this.rows.get("\u0000unattributed")?.row].filter((row) => row !== undefined);
    wanted.forEach((row, index) => {
      if (this.body.children[index] !== row) this.body.insertBefore(row, this.body.children[index] ?? null);
    });
  }

  /** @param {string} name @returns {AppRow} */
  makeRow(name) {
    const shown = safeName(name, 60);
    /** @type {any} */
    let now = {};
    const count = h("span", { class: "soft small" });
    const down = h("span", null);
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    const up = h("td", { class: "number wide" });
    const source = h("span", { class: "soft small wide" });
    const level = h("select", {
      "aria-label": `Priority of ${shown}`,
      onchange: async () => {
        const answer = await attempt(() => level.value === "auto" ? act("DELETE", `/apps/${encodeURIComponent(name)}/priority`) : act("PUT", `/apps/${encodeURIComponent(name)}/priority`, { level: Number(level.value) }));
        if (!answer) level.value = String(now.priority ?? 3);
      },
    }, LEVELS.map((text, index) => h("option", { value: String(index) }, `${index} ${text}`)), h("option", { value: "auto" }, "automatic"));
    const limits = /** @type {("down" | "up")[]} */ (["down", "up"]).map((side) => h("button", { class: "limit", type: "button", onclick: () => limitDialog(name, now.hand, side) }, "—"));
    const row = h("tr", { "data-app": encodeURIComponent(name) },
      h("td", { class: "app" }, h("a", { href: `#/app/${encodeURIComponent(name)}` }, shown), " ", count),
      h("td", { class: "number" }, down, h("span", { class: "barbox" }, bar)), up,
      h("td", null, h("span", { class: "pair" }, level, source)),
      h("td", { class: "wide" }, limits[0]), h("td", { class: "wide" }, limits[1]),
      h("td", { class: "wide whole" }, h("button", { class: "link", type: "button", "aria-label": `Why is ${shown} treated so?`, onclick: () => whyDialog(name) }, "why"),
        h("button", { class: "link", type: "button", "aria-label": `What if ${shown} were treated differently?`, onclick: () => whatIfDialog(name, now.priority === 5 ? 3 : 5) }, "what if…")));
    return {
      row,
      update: (app, most) => {
        now = app;
        setText(count, app.processes > 1 ? `×${app.processes}` : "");
        setText(down, rate(app.rx_bps ?? 0));
        bar.style.width = `${Math.round(58 * Math.min(1, (app.rx_bps ?? 0) / most))}px`;
        setText(up, rate(app.tx_bps ?? 0));
        if (document.activeElement !== level && app.priority !== undefined) level.value = String(app.priority);
        level.disabled = !this.model.frame?.writable;
        const hand = app.hand?.priority !== undefined;
        const why = hand ? "hand" : (SOURCES[app.source] ?? app.source ?? "");
        setText(source, why);
        source.title = SOURCE_WORDS[why] ?? "";
        /** @type {("down" | "up")[]} */ (["down", "up"]).forEach((side, index) => {
          const button = limits[index];
          const set = app.hand?.[`${side}_bps`];
          const held = app[`${side}_bps`] ?? set;
          const never = app.priority === 0 && held === undefined;
          setText(button, never ? "never" : held === undefined ? "—" : rate(held));
          button.classList.toggle("set", held !== undefined);
          button.disabled = !this.model.frame?.writable;
          const until = set !== undefined && app.hand?.until_ms ? `, until ${clock(app.hand.until_ms)}` : "";
          const label = `${side === "down" ? "Download" : "Upload"} limit of ${shown}: ${never ? "never limited" : held === undefined ? "none" : bits(held)}${until}`;
          if (button.getAttribute("aria-label") !== label) { button.setAttribute("aria-label", label); button.title = label; }
        });
      },
    };
  }

  /** @param {number} from @param {number} to */
  brushed(from, to) {
    const moved = this.model.moved(from, to).slice(0, 8);
    fill(this.who, h("div", { class: "notice plain", role: "status" }, h("strong", null, `${clock(from * 1000)} – ${clock(to * 1000)}: `),
      moved.length ? moved.map(([app, [down, up]]) => `${safeName(app, 30)} ▼ ${bytes(down)} ▲ ${bytes(up)}`).join(" · ") : "nothing",
      " ", h("button", { class: "link", type: "button", onclick: () => { fill(this.who); this.chart.plot?.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false); } }, "clear")));
  }

  async loadNext() {
    const [forecast, scores] = await Promise.all([get("/forecast"), get("/forecast/scores")]).catch(() => [null, null]);
    if (!forecast) return;
    const series = forecast.forecasts.find((/** @type {any} */ entry) => entry.series === "host_down") ?? forecast.forecasts.find((/** @type {any} */ entry) => entry.series.includes("down")) ?? forecast.forecasts[0];
    if (!series) {
      fill(this.next, h("h2", null, "Next hour"), h("p", { class: "soft" }, "No forecast yet: it needs some history first."));
      return;
    }
    const { forecastChart, forecastWords } = await import("./forecast.js");
    this.nextChart?.destroy();
    this.nextChart = forecastChart(series, 150);
    fill(this.next, h("h2", null, "Next hour ", h("small", null, "(80 % band)")), this.nextChart.element,
      h("p", { class: "soft small" }, forecastWords(series, scores.scores)), h("p", { class: "after" }, h("a", { href: "#/forecast" }, "All forecasts")));
  }
}
