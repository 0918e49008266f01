// The page: logs in, follows the stream, shows one view at a time.

import { act, ApiError, lock, logIn, token, whenLocked } from "./api.js";
import { modeDialog } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { clock, percent } from "./format.js";
import { LiveModel } from "./model.js";
import { Stream } from "./stream.js";
import * as lag from "./lag.js";
import { attempt, say } from "./toast.js";
import { ApplicationView } from "./views/application.js";
import { ForecastView } from "./views/forecast.js";
import { HealthView } from "./views/health.js";
import { Overview } from "./views/overview.js";
import { SettingsView } from "./views/settings.js";
import { TimelineView } from "./views/timeline.js";
import { UsageView } from "./views/usage.js";

/** @typedef {{element: HTMLElement, destroy: () => void, update?: () => void}} View */

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const model = new LiveModel();
/** @type {View | null} */
let view = null;
let connection = "lost";
let stateKey = "";

/** @type {[string, string, () => View][]} */
const VIEWS = [
  ["", "Overview", () => new Overview(model)],
  ["timeline", "Timeline", () => new TimelineView()],
  ["usage", "Usage", () => new UsageView()],
  ["forecast", "Forecast", () => new ForecastView()],
  ["settings", "Settings", () => new SettingsView()],
  ["health", "Health", () => new HealthView()],
];

const stream = new Stream(
  ({ event, data }) => {
    if (event === "history") model.load(data);
    else if (event === "live") model.push(data);
    else if (event === "action") tellAction(data);
    else if (event === "incident") tellIncident(data);
    else if (event === "trouble") return;
    drawState();
    view?.update?.();
  },
  (next) => {
    if (connection !== next) {
      connection = next;
      drawState();
    }
  },
);

/** What somebody did elsewhere. @param {any} action */
function tellAction(action) {
  if (action.client === "page") return; // whoever did it has been told
  const from = action.client === "terminal" ? "the terminal" : "the API";
  if (action.undone) say(`undone: ${action.said} (from ${from})`);
  else say(`${action.said} (from ${from})`, { path: `/history/${action.id}/undo` });
}

/** @param {import("./lag.js").Incident} incident */
function tellIncident(incident) {
  if (incident.running) say(`Lag began: ${lag.extra(incident)}, ${lag.cause(incident)}`);
}

function route() {
  const hash = location.hash;
  if (hash.startsWith("#code=")) {
    void redeem(decodeURIComponent(hash.slice(6)));
    return;
  }
  if (!token()) {
    showLocked();
    return;
  }
  const [name, ...rest] = hash.replace(/^#\/?/, "").split("/");
  view?.destroy();
  let title = "Overview";
  if (name === "app" && rest.length) {
    const app = decodeURIComponent(rest.join("/"));
    view = new ApplicationView(app, model);
    title = app;
  } else {
    const entry = VIEWS.find(([path]) => path === name) ?? VIEWS[0];
    view = entry[2]();
    title = entry[1];
  }
  document.title = `${title} – AutoQoS`;
  fill(nav, VIEWS.map(([path, text]) => h("a", { href: `#/${path}`, ...(path === name ? { "aria-current": "page" } : {}) }, text)));
  nav.querySelector("[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  fill(main, view.element);
  view.update?.();
  stream.start();
}

/** @param {string} code */
async function redeem(code) {
  // the code leaves the address bar and the history at once; who pasted it stays in the view that was locked
  if (location.hash.startsWith("#code=")) history.replaceState(null, "", location.pathname);
  try {
    await logIn(code);
    main.focus();
    route();
  } catch (error) {
    showLocked(error instanceof ApiError ? error.message : "");
  }
}

/** @param {string} [problem] */
function showLocked(problem = "") {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close(); // its answer could not be sent
  view?.destroy();
  view = null;
  document.title = "Locked – AutoQoS";
  fill(nav);
  fill(state);
  stateKey = "";
  const field = h("input", { type: "text", id: "code", autocomplete: "off", spellcheck: false });
  fill(main, h("section", { class: "card locked" }, h("h1", null, "Locked"),
    h("p", null, "This page shows and steers this computer's network, so it opens only with a one-time address. In a terminal type"),
    h("p", null, h("code", null, "autoqos page")),
    h("p", null, "and open the address that it prints (as root or administrator when the agent runs so), or paste it here:"),
    h("form", { class: "row", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void redeem(field.value.trim().replace(/^.*#code=/, "")); } },
      h("label", { for: "code" }, "Address or code"), field, h("button", { class: "primary", type: "submit" }, "Unlock")),
    h("p", { class: "problem", role: "alert" }, problem)));
}

function drawState() {
  const frame = model.frame;
  const key = JSON.stringify([connection, frame?.live, frame?.mode, frame?.paused, frame?.paused_until_ms, frame?.writable, frame?.enforcer?.running, percent(frame?.coverage)]);
  if (key === stateKey || !token()) return;
  if (state.contains(document.activeElement) && stateKey && document.activeElement !== document.body && state.querySelector(".menu")) return;
  stateKey = key;
  const good = connection === "live" && frame?.live;
  const words = connection !== "live" ? "no connection to AutoQoS" : frame?.live ? ["live", h("span", { class: "wide" }, ` · ${percent(frame.coverage)} named`)] : "not measuring";
  const paused = frame?.paused;
  fill(state,
    h("span", { class: good ? "pill" : "pill bad", id: "connection" }, h("span", { class: "dot", "aria-hidden": "true" }, "● "), words),
    frame && h("button", { class: "pill", type: "button", onclick: () => modeDialog(frame.mode) }, `mode: ${frame.mode.replace("_", " ")}`),
    frame && (paused
      ? h("button", { class: "primary", type: "button", disabled: !frame.writable, onclick: () => attempt(() => act("DELETE", "/pause")) }, `Resume${frame.paused_until_ms ? ` (paused until ${clock(frame.paused_until_ms).slice(0, 5)})` : " (paused)"}`)
      : h("button", { class: "primary", type: "button", disabled: !frame.writable, "aria-haspopup": "true", "aria-expanded": "false", onclick: (/** @type {Event} */ event) => pauseMenu(/** @type {HTMLElement} */ (event.currentTarget)) }, "Pause ▾")));
}

/** @param {HTMLElement} button */
function pauseMenu(button) {
  const open = state.querySelector(".menu");
  if (open) {
    open.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  const close = () => {
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    button.focus();
  };
  const item = (/** @type {string} */ text, /** @type {string | null} */ span) => h("button", { type: "button", onclick: () => { close(); void attempt(() => act("PUT", "/pause", { for: span })); } }, text);
  const menu = h("div", { class: "menu", role: "group", "aria-label": "Pause the enforcer", onkeydown: (/** @type {KeyboardEvent} */ event) => {
    const items = /** @type {HTMLElement[]} */ ([...menu.children]);
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length].focus();
  } }, item("for 10 minutes", "10m"), item("for 1 hour", "1h"), item("until I resume", null));
  state.append(menu);
  button.setAttribute("aria-expanded", "true");
  /** @type {HTMLElement} */ (menu.firstElementChild).focus();
}

whenLocked(() => {
  stream.stop("lost");
  showLocked("The server no longer knows this page: AutoQoS was started again, or you logged out.");
});
addEventListener("hashchange", route);
addEventListener("storage", () => { if (!token()) lock(); });
route();
