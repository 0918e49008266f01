// Lag incidents in words.

import { h, safeName } from "./dom.js";
import { clock, percent, span, stamp } from "./format.js";

/**
 * @typedef {{id: string, start_ms: number, duration_s: number, extra_ms: number, loss_ratio: number, cause: string, app: string | null, direction: string | null, share_ratio: number | null, confidence: number, running: boolean, suffered: string | null, evidence: string, advice?: string}} Incident
 */

/** @param {Incident} incident */
export function cause(incident) {
  /** @type {Record<string, string>} */
  const words = {
    application: `made by ${safeName(incident.app ?? "an application", 40)}`,
    unnamed: "made by traffic of this computer that has no name",
    others: "not this computer: somebody else on the line",
    provider: "not this computer: the provider's network",
    local_network: "the local network: Wi-Fi or the router",
    target: "only one target is slow",
    own_limit: "made by a limit of our own",
    unknown: "cause not known",
  };
  return words[incident.cause] ?? incident.cause;
}

/** @param {Incident} incident */
export function when(incident) {
  const begin = stamp(incident.start_ms);
  return incident.running ? `since ${begin}` : `${begin} – ${clock(incident.start_ms + incident.duration_s * 1000)}`;
}

/** @param {Incident} incident */
export function extra(incident) {
  const loss = incident.loss_ratio >= 0.005 ? `, ${percent(incident.loss_ratio)} loss` : "";
  return `+${incident.extra_ms.toFixed(0)} ms${loss}`;
}

/**
 * How much of the lag one application made.
 * @param {Incident[]} mine @param {Incident[]} all
 */
export function part(mine, all) {
  if (!all.length) return "There was no lag in the period of the chart.";
  const seconds = (/** @type {Incident[]} */ incidents) => incidents.reduce((sum, incident) => sum + incident.duration_s, 0);
  return `Made ${mine.length} of ${all.length} incidents, ${span(seconds(mine))} of ${span(seconds(all))} of lag.`;
}

/** @param {Incident} incident */
export function card(incident) {
  const share = incident.share_ratio === null ? "" : `${percent(incident.share_ratio)} of the ${incident.direction === "up" ? "upload" : "download"}. `;
  const told = /confidence/i.test(incident.evidence ?? ""); // the detector says it in its own words
  const sure = incident.confidence >= 0.85 ? "high" : incident.confidence >= 0.6 ? "medium" : "low";
  return h("div", { class: incident.cause === "application" ? "cause app" : "cause" },
    h("h3", null, `${when(incident)} · ${extra(incident)}`),
    h("div", null, incident.app && incident.cause === "application"
      ? ["made by ", h("a", { href: `#/app/${encodeURIComponent(incident.app)}` }, safeName(incident.app, 40)), ". "]
      : `${cause(incident)}. `, share, told ? null : `Confidence: ${sure}.`),
    incident.suffered ? h("div", { class: "soft" }, `Suffered: ${safeName(incident.suffered, 120)}`) : null,
    incident.evidence ? h("div", { class: "soft small" }, safeName(incident.evidence, 300)) : null,
    incident.advice ? h("div", { class: "small" }, "What helps: ", h("code", null, safeName(incident.advice, 120))) : null,
  );
}
