// Server-sent events read with fetch (EventSource cannot send a token): reconnects, notices silence, rests when hidden.

import { lock, token } from "./api.js";

const SILENT_MS = 5000;
const RETRY_MS = 700;

/**
 * @typedef {{event: string, data: any}} StreamEvent
 */

export class Stream {
  /**
   * @param {(event: StreamEvent) => void} onEvent
   * @param {(state: "live" | "lost" | "hidden") => void} onState
   */
  constructor(onEvent, onState) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.lastId = "";
    this.running = false;
    /** @type {AbortController | null} */
    this.abort = null;
    /** @type {number | undefined} */
    this.watchdog = undefined;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stop("hidden");
      else if (token()) this.start();
    });
  }

  start() {
    if (this.running || document.hidden) return;
    this.running = true;
    void this.loop();
  }

  /** @param {"lost" | "hidden"} state */
  stop(state = "lost") {
    this.running = false;
    this.abort?.abort();
    clearTimeout(this.watchdog);
    this.onState(state);
  }

  async loop() {
    while (this.running && token()) {
      try {
        await this.once();
      } catch {
        // the connection ended: said below, and tried again
      }
      clearTimeout(this.watchdog);
      if (this.running) {
        this.onState("lost");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.running = false;
  }

  async once() {
    const abort = new AbortController();
    this.abort = abort;
    const alive = () => {
      clearTimeout(this.watchdog);
      this.watchdog = setTimeout(() => abort.abort(), SILENT_MS);
    };
    alive();
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${token()}`, Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const response = await fetch("/api/v1/events", { headers, signal: abort.signal, cache: "no-store" });
    if (response.status === 401) {
      this.running = false;
      lock();
      return;
    }
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.take(part);
    }
  }

  /** @param {string} text */
  take(text) {
    let event = "message";
    let data = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("event: ")) event = line.slice(7);
      else if (line.startsWith("id: ")) this.lastId = line.slice(4);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) return;
    this.onState("live");
    this.onEvent({ event, data: JSON.parse(data) });
  }
}
