// The last five minutes as the page holds them, second by second, and the newest frame.

const KEEP_S = 300;

/** @typedef {{t: number, apps: Map<string, [number, number]>, down: number, up: number, un: [number, number], rtt: Map<string, number|null>, ran: boolean}} Second */

export class LiveModel {
  constructor() {
    /** @type {Second[]} */
    this.seconds = [];
    /** @type {any} */
    this.frame = null;
  }

  /** @param {any} past the stream's `history` */
  load(past) {
    const step = past.every_ms / 1000;
    const first = past.start_ms / 1000;
    /** @type {Second[]} */
    const found = past.ran.map((/** @type {boolean} */ ran, /** @type {number} */ index) => ({
      t: first + index * step,
      apps: new Map(),
      down: past.host?.down[index] ?? 0,
      up: past.host?.up[index] ?? 0,
      un: /** @type {[number, number]} */ ([0, 0]),
      rtt: new Map(),
      ran,
    }));
    for (const line of past.apps) {
      found.forEach((second, index) => {
        /** @type {[number, number]} */
        const rates = [line.down[index] ?? 0, line.up[index] ?? 0];
        if (line.app === "unattributed") second.un = rates;
        else if (rates[0] || rates[1]) second.apps.set(line.app, rates);
      });
    }
    for (const line of past.probes) found.forEach((second, index) => second.rtt.set(line.target, line.rtt_ms[index]));
    const begin = found.length ? found[0].t : Infinity;
    while (found.length && !found[found.length - 1].ran) found.pop(); // the running second is not written yet
    this.seconds = [...this.seconds.filter((second) => second.t < begin), ...found];
    this.trim();
  }

  /** @param {any} frame the stream's `live` */
  push(frame) {
    const newer = !this.frame || frame.id !== this.frame.id;
    this.frame = frame;
    if (!frame.live || !newer) return;
    const t = Math.floor(frame.id / 1000);
    /** @type {Map<string, [number, number]>} */
    const apps = new Map();
    for (const row of frame.apps) if (row.rx_bps || row.tx_bps) apps.set(row.app, [row.rx_bps ?? 0, row.tx_bps ?? 0]);
    /** @type {Map<string, number|null>} */
    const rtt = new Map();
    for (const probe of frame.probes) rtt.set(probe.target, probe.ok ? (probe.rtt_ms ?? null) : null);
    const un = frame.unattributed;
    const second = { t, apps, down: frame.host.rx_bps, up: frame.host.tx_bps, un: /** @type {[number, number]} */ ([un.rx_bps, un.tx_bps]), rtt, ran: true };
    const last = this.seconds[this.seconds.length - 1];
    const step = Math.max(1, frame.interval_ms / 1000);
    if (last && t > last.t + 3 * step) {
      this.seconds.push({ ...second, t: last.t + step, apps: new Map(), rtt: new Map(), ran: false });
      this.seconds.push({ ...second, t: t - step, apps: new Map(), rtt: new Map(), ran: false });
    }
    if (last && t <= last.t) this.seconds = this.seconds.filter((known) => known.t < t);
    this.seconds.push(second);
    this.trim();
  }

  trim() {
    const newest = this.seconds.length ? this.seconds[this.seconds.length - 1].t : 0;
    this.seconds = this.seconds.filter((second) => second.t > newest - KEEP_S);
  }

  /**
   * The chart's data: the busiest applications, the others together, what has no name.
   * @param {"down" | "up" | "both"} side
   * @param {number} most
   */
  chart(side, most = 8) {
    /** @type {(rates: [number, number]) => number} */
    const value = side === "down" ? (r) => r[0] : side === "up" ? (r) => r[1] : (r) => r[0] + r[1];
    /** @type {Map<string, number>} */
    const totals = new Map();
    for (const second of this.seconds) for (const [app, rates] of second.apps) totals.set(app, (totals.get(app) ?? 0) + value(rates));
    const order = [...totals.keys()].filter((app) => (totals.get(app) ?? 0) > 0).sort((a, b) => (totals.get(b) ?? 0) - (totals.get(a) ?? 0));
    const shown = order.slice(0, most);
    const rest = order.slice(most);
    const names = [...shown, ...(rest.length ? ["other applications"] : []), "unattributed"];
    const times = this.seconds.map((second) => second.t);
    const lines = names.map((name) =>
      this.seconds.map((second) => {
        if (!second.ran) return null;
        if (name === "unattributed") return value(second.un);
        if (name !== "other applications" || !rest.length) return value(second.apps.get(name) ?? [0, 0]);
        return rest.reduce((sum, app) => sum + value(second.apps.get(app) ?? [0, 0]), 0);
      }),
    );
    return { times, names, lines };
  }

  /** @param {string} target */
  rtts(target) {
    return this.seconds.map((second) => (second.ran ? (second.rtt.get(target) ?? null) : null));
  }

  /**
   * Who moved how much between two times (seconds), bytes.
   * @param {number} from
   * @param {number} to
   */
  moved(from, to) {
    /** @type {Map<string, [number, number]>} */
    const sums = new Map();
    const inside = this.seconds.filter((second) => second.t >= from && second.t <= to && second.ran);
    for (const second of inside) {
      for (const [app, [down, up]] of [...second.apps, /** @type {[string, [number, number]]} */ (["unattributed", second.un])]) {
        const sum = sums.get(app) ?? [0, 0];
        sums.set(app, [sum[0] + down / 8, sum[1] + up / 8]);
      }
    }
    return [...sums].sort((a, b) => b[1][0] + b[1][1] - a[1][0] - a[1][1]);
  }
}
