// Settings: what is in force and where it came from; an editor that checks before it saves.

import { act, ApiError, get } from "../api.js";
import { fill, h, safeName } from "../dom.js";
import { attempt } from "../toast.js";

/** What was typed and not saved: it outlives a look at another view, and a lock. @type {string | null} */
let draft = null;

export class SettingsView {
  constructor() {
    this.etag = "";
    this.edited = false; // what somebody typed is not replaced by an answer that comes late
    this.text = h("textarea", { spellcheck: false, "aria-label": "config.yaml", oninput: () => this.later() });
    this.problems = h("div", { role: "status", "aria-live": "polite" });
    this.save = h("button", { class: "primary", type: "button", onclick: () => this.store() }, "Save");
    this.path = h("small", { class: "mono" });
    this.values = h("div", { class: "scroll data-table tall", tabIndex: 0, role: "region", "aria-label": "Settings in force" });
    this.element = h("div", null, h("h1", null, "Settings"),
      h("section", { class: "card" }, h("h2", null, "config.yaml ", this.path), this.text, this.problems,
        h("div", { class: "row" }, this.save, h("button", { type: "button", onclick: () => this.check() }, "Check"), h("button", { type: "button", onclick: () => this.again() }, "Load again")),
        h("p", { class: "soft small" }, "A save checks first, keeps the former file beside it (config.yaml.before) and can be undone. In force within two seconds. Secrets stand in .env and are never shown.")),
      h("section", { class: "card" }, h("h2", null, "In force ", h("small", null, "every setting, and whether the file or AutoQoS's default says so")), this.values));
    /** @type {number | undefined} */
    this.timer = undefined;
    if (draft !== null) {
      this.edited = true;
      this.text.value = draft;
    }
    void this.load().then(() => (this.edited ? this.check() : undefined));
  }

  destroy() {
    clearTimeout(this.timer);
  }

  later() {
    this.edited = true;
    draft = this.text.value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.check(), 600);
  }

  again() {
    this.edited = false;
    draft = null;
    return this.load();
  }

  async load() {
    let answer;
    try {
      answer = await get("/config");
    } catch (error) {
      fill(this.problems, h("p", { class: "notice" }, /** @type {Error} */ (error).message));
      return;
    }
    this.etag = answer.etag;
    if (!this.edited) this.text.value = answer.text;
    this.text.readOnly = !answer.writable;
    this.save.disabled = !answer.writable;
    fill(this.path, answer.path ? safeName(answer.path, 200) : "none in use: built-in defaults. Start AutoQoS with --config FILE to edit here.");
    if (!this.edited) this.tell(answer.problems, answer.path ? "The file is good: every key can be read." : "");
    fill(this.values, h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Key"), h("th", { scope: "col" }, "Value"), h("th", { scope: "col" }, "From"))),
      h("tbody", null, answer.values.map((/** @type {any} */ entry) => h("tr", null, h("td", { class: "mono" }, entry.key), h("td", { class: "mono" }, shown(entry.value)), h("td", { class: entry.source === "file" ? "" : "soft" }, entry.source))))));
  }

  async check() {
    try {
      const answer = await act("POST", "/config/check", { text: this.text.value });
      this.tell(answer.problems, "good: every key can be read");
    } catch (error) {
      fill(this.problems, h("p", { class: "problem" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {{key: string, problem: string}[]} problems @param {string} good */
  tell(problems, good) {
    fill(this.problems, problems.length ? h("ul", { class: "bad" }, problems.map((entry) => h("li", null, entry.key ? h("code", null, `${entry.key}: `) : null, entry.problem))) : h("p", { class: "good" }, good));
  }

  async store() {
    try {
      const answer = await act("PUT", "/config", { text: this.text.value }, { "If-Match": this.etag });
      this.edited = false;
      draft = null;
      await attempt(async () => answer);
      setTimeout(() => void this.load(), 2300);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.errors?.length) this.tell(error.errors.map((fault) => ({ key: fault.pointer, problem: fault.detail })), "");
      else fill(this.problems, h("p", { class: "problem" }, error.message));
    }
  }
}

/** @param {any} value */
function shown(value) {
  return value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : safeName(String(value), 200);
}
