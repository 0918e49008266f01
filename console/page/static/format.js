// Numbers and units, the same as the command line's (`qos/contract/units.py`, `console/views/table_format.py`).

/**
 * Bits per second in at most seven characters: `0`, `640`, `12.3 k`, `999.9 M`.
 * @param {number} bps
 */
export function rate(bps) {
  if (Math.round(bps) < 1000) return bps.toFixed(0);
  for (const unit of ["k", "M", "G"]) {
    bps /= 1000;
    if (Math.round(bps * 10) / 10 < 1000) return `${bps.toFixed(1)} ${unit}`;
  }
  return `${(bps / 1000).toFixed(1)} T`;
}

/**
 * `12.3 Mbit/s`.
 * @param {number} bps
 */
export function bits(bps) {
  for (const unit of ["bit/s", "kbit/s", "Mbit/s"]) {
    if (Math.abs(bps) < 1000) return unit === "bit/s" ? `${bps.toFixed(0)} bit/s` : `${bps.toFixed(1)} ${unit}`;
    bps /= 1000;
  }
  return `${bps.toFixed(1)} Gbit/s`;
}

/**
 * `12.3 MB`, decimal.
 * @param {number} size
 */
export function bytes(size) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (Math.abs(size) < 1000) return unit === "B" ? `${size.toFixed(0)} B` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/**
 * A rate as it is typed: `84mbit`. Read back it is the same.
 * @param {number | null | undefined} bps
 */
export function typedRate(bps) {
  if (bps === null || bps === undefined) return "";
  if (bps % 1e6 === 0) return `${bps / 1e6}mbit`;
  return bps % 1e3 === 0 ? `${bps / 1e3}kbit` : `${bps}bit`;
}

/**
 * @param {number | null | undefined} ratio
 */
export function percent(ratio) {
  return ratio === null || ratio === undefined ? "?" : `${(100 * ratio).toFixed(1)} %`;
}

/**
 * @param {number | null | undefined} ms
 */
export function millis(ms) {
  return ms === null || ms === undefined ? "–" : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const dayFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

/**
 * Local clock time, `14:02:31`.
 * @param {number} ms
 */
export function clock(ms) {
  return clockFormat.format(ms);
}

/**
 * Local day and time, `Nov 21, 14:02`.
 * @param {number} ms
 */
export function dayTime(ms) {
  return dayFormat.format(ms);
}

/**
 * The local day, `2026-11-21`.
 * @param {Date} time
 */
export function localDay(time) {
  return [time.getFullYear(), time.getMonth() + 1, time.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/**
 * Local time for lists: `14:02:31` today, `Nov 20, 14:02` before.
 * @param {number} ms
 */
export function stamp(ms) {
  return new Date(ms).toDateString() === new Date().toDateString() ? clock(ms) : dayTime(ms);
}

/**
 * `42 s`, `7 min`, `3 h 05 min`, `2 d 4 h`.
 * @param {number} seconds
 */
export function span(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(seconds / 3600);
  if (minutes < 120) return `${minutes} min`;
  if (hours < 48) return minutes % 60 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

export const LEVELS = ["critical", "gaming", "high", "normal", "low", "background"];
/** Why an application has its priority, in a word, and in a sentence. */
export const SOURCES = /** @type {Record<string, string>} */ ({ override: "hand", hand: "hand", rule: "rule", classification: "shipped", default: "default" });
export const SOURCE_WORDS = /** @type {Record<string, string>} */ ({
  hand: "set by hand: here, through the API or in a terminal",
  rule: "a rule of config.yaml says so",
  shipped: "AutoQoS's own list of well-known applications says so",
  default: "no rule and not on AutoQoS's own list: default_level of config.yaml",
});
