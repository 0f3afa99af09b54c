// How the page is connected and how far what it shows goes.

import { clock, epoch, grouped } from "./text.js";

const RATE_MS = 2_000;

export class Status {
  constructor(connection, frontier, rate, notice, stage) {
    this.places = { connection, frontier, rate, notice, stage };
    this.state = "connecting";
    this.counted = null;
    setInterval(() => this.#rate(), RATE_MS);
  }

  get live() {
    return this.state === "live";
  }

  connection(state, detail) {
    const { connection, stage } = this.places;
    // While it is tried again and again, the word should not flicker.
    if (state === "connecting" && this.state === "lost") return;
    this.state = state === "welcome" ? "live" : state;
    const words = {
      connecting: "connecting",
      live: `live, version ${detail?.version}`,
      lost: `connection lost, next attempt in ${Math.ceil(detail / 1_000)} s`,
    };
    connection.textContent = words[this.state];
    connection.className = `connection ${this.state}`;
    stage.classList.toggle("stale", this.state === "lost");
    if (this.state === "lost") this.counted = null;
  }

  // A frontier: everything up to it is shown.
  frontier({ commit, at }) {
    this.places.frontier.textContent =
      commit === null ? "no commit yet" : `complete up to commit ${grouped(commit)}, ${clock(epoch(at), "ms")} UTC`;
  }

  // Something in place of the chart; nothing if empty.
  notice(text) {
    if (this.places.notice.textContent !== text) this.places.notice.textContent = text;
  }

  // Ticks per second, from the server's counters.
  async #rate() {
    if (!this.live || document.hidden) return;
    try {
      const text = await (await fetch("/metrics")).text();
      let records = 0;
      for (const [, count] of text.matchAll(/^tickweave_records_total(?:\{[^}]*\})? (\S+)/gm)) records += Number(count);
      const now = performance.now();
      if (this.counted) {
        const rate = ((records - this.counted.records) / (now - this.counted.at)) * 1_000;
        this.places.rate.textContent = `${grouped(Math.max(0, Math.round(rate)))} ticks/s`;
      }
      this.counted = { records, at: now };
    } catch {
      this.places.rate.textContent = "";
    }
  }
}
