// The chart: bars with their volume, lines over them, panes of other indicators below, on one canvas.
//
// It draws what it is shown and keeps nothing else: what is drawn follows from the bars, the lines, the
// window and the pointer. `drawn` lists the bars of the last drawing.
//
// It is no third-party library: the binary holds all of the page, which works offline and needs no build. Other charts
// also have no mark for bars that were restated.

import { drawLine, valuesOf } from "./lines.js";
import { Pen } from "./pen.js";
import { Scale, extent } from "./scale.js";
import { clock, decimalsOf, short } from "./text.js";
import { Window } from "./window.js";

const AXIS = 20; // the height of the time axis
const PANE = 78; // and of a pane below the bars
const FLASH_MS = 1_500; // a restated bar is lit for this long
const DAY_MS = 86_400_000;
// Labels of time are this far apart.
const ROUND_MS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800, 2592000].map(
  (secs) => secs * 1_000,
);

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = new Pen(canvas);
    this.window = new Window();
    this.bars = [];
    this.lines = []; // as `linesOf` gives them, each with the number of its `colour`
    this.alerts = new Map();
    this.pointer = null; // { at: number of a bar, y }
    this.flashes = new Map(); // until when which bar (by time) is lit
    this.drawn = [];
    this.due = false;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  // Shows these from now on; `fresh` if they are of something else than before.
  show(bars, lines, alerts, fresh) {
    const newest = this.bars.at(-1)?.time;
    const newer = fresh ? 0 : bars.length - 1 - bars.findLastIndex((bar) => bar.time <= newest);
    if (fresh) {
      this.window.begin(bars.length, this.canvas.clientWidth);
      this.pointer = null;
      this.flashes.clear();
    }
    Object.assign(this, { bars, lines, alerts });
    this.window.grow(bars.length, newer);
    this.redraw();
  }

  // Lights a bar: it has been restated.
  flash(time) {
    this.flashes.set(time, performance.now() + FLASH_MS);
    this.redraw();
  }

  // The bar that is pointed at, else the newest.
  get current() {
    return this.bars[this.pointer?.at ?? this.bars.length - 1];
  }

  redraw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.#draw();
      this.ondraw?.();
    });
  }

  #draw() {
    const { pen, bars, window } = this;
    const { width, height } = pen.clear();
    this.drawn = [];
    if (bars.length === 0 || width < 100) return;

    const below = this.lines.filter((line) => !line.over);
    const pane = Math.min(PANE, (height - AXIS) / (below.length + 3));
    this.bottom = height - AXIS;
    this.price = { top: 4, bottom: this.bottom - below.length * pane };
    // The labels of prices decide how much room is left for bars.
    this.decimals = Math.max(...bars.slice(-100).map((bar) => decimalsOf(bar.row.close ?? "")));
    const widest = Number(bars.at(-1).row.high ?? 0).toFixed(this.decimals);
    this.right = width - Math.max(52, pen.width(widest) + 14);
    window.resize(this.right);
    this.span = window.span();

    this.#lit();
    this.#time();
    this.#prices();
    below.forEach((line, at) => this.#pane(line, this.price.bottom + at * pane, pane));
    this.#cross();
    if (this.flashes.size > 0) this.redraw(); // until all have gone out
  }

  // The columns of bars that were restated a moment ago.
  #lit() {
    const { pen, window, bars, price } = this;
    const now = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (let at = this.span[0]; at <= this.span[1]; at++) {
      const left = (this.flashes.get(bars[at].time) ?? 0) - now;
      if (left <= 0) continue;
      const alpha = still ? 1 : Math.min(1, left / (FLASH_MS / 2));
      pen.box(window.x(at) - window.step / 2, price.top, window.step, this.bottom - price.top, "--flash", alpha);
    }
    for (const [time, until] of this.flashes) if (until <= now) this.flashes.delete(time);
  }

  // The time axis: labels at round times, far enough apart to be read, with the date where a day begins.
  #time() {
    const { pen, window, bars } = this;
    const [first, last] = this.span;
    const apart = bars.slice(-50).map((bar, at, some) => (at > 0 ? bar.time - some[at - 1].time : Infinity));
    const bar = Math.min(...apart);
    const every = ROUND_MS.find((every) => (every / bar) * window.step >= 84) ?? ROUND_MS.at(-1);
    let free = 24; // from where on there is room for a label
    for (let at = Math.max(1, first); at <= last; at++) {
      const [before, { time }] = [bars[at - 1].time, bars[at]];
      if (Math.floor(time / every) === Math.floor(before / every)) continue;
      const x = window.x(at);
      pen.line(x, this.price.top, x, this.bottom, "--grid");
      if (x < free || x > this.right - 16) continue;
      const newDay = Math.floor(time / DAY_MS) !== Math.floor(before / DAY_MS);
      const date = new Date(time).toISOString().slice(5, 10);
      const text = newDay ? date : clock(time).replace(/:00$/, "");
      pen.text(text, x, this.bottom + AXIS / 2, "--muted", "center");
      free = x + 60;
    }
    pen.line(0, this.bottom, this.right, this.bottom, "--line");
    pen.line(this.right, 0, this.right, this.bottom, "--line");
  }

  // The bars themselves, with the lines over them.
  #prices() {
    const { bars, span, pen, window } = this;
    const seen = bars.slice(span[0], span[1] + 1).filter((bar) => bar.close !== null);
    const over = this.lines.filter((line) => line.over);
    const room = extent([...seen.flatMap((bar) => [bar.low, bar.high]), ...valuesOf(over, span)]);
    if (!room) return;
    const { top, bottom } = this.price;
    const scale = new Scale(...room, top + 10, bottom - (bottom - top) * 0.14);
    this.priceScale = scale;
    this.#grid(scale, 48, Math.min(this.decimals, 2));

    const most = Math.max(...seen.map((bar) => bar.volume), 0);
    pen.within(this.right, this.bottom, () => {
      for (let at = span[0]; at <= span[1]; at++) this.#volume(at, most);
      for (const line of over) drawLine(pen, window, span, line, scale);
      for (let at = span[0]; at <= span[1]; at++) this.#bar(at, scale);
    });

    const last = bars.at(-1);
    if (last.close === null) return;
    const y = scale.y(last.close);
    if (y < top || y > bottom) return; // it is not in sight
    const colour = last.close >= last.open ? "--up" : "--down";
    pen.line(0, y, this.right, y, colour, [2, 3]);
    this.#tag(y, last.close.toFixed(this.decimals), colour);
  }

  #volume(at, most) {
    const bar = this.bars[at];
    if (!most || !bar.volume) return;
    const { top, bottom } = this.price;
    const height = (bar.volume / most) * (bottom - top) * 0.13;
    const wide = Math.max(1, this.window.step * 0.66);
    const colour = bar.close >= bar.open ? "--up" : "--down";
    this.pen.box(this.window.x(at) - wide / 2, bottom - height, wide, height, colour, 0.3);
  }

  // One bar: hollow until it is final, with a mark below it if it was revised after that.
  #bar(at, scale) {
    const { pen, window } = this;
    const bar = this.bars[at];
    if (bar.close === null) return;
    const x = window.x(at);
    const wide = Math.max(1, Math.round(window.step * 0.66));
    const [high, low] = [scale.y(bar.high), scale.y(bar.low)];
    const [top, bottom] = [scale.y(Math.max(bar.open, bar.close)), scale.y(Math.min(bar.open, bar.close))];
    const tall = Math.max(1, bottom - top);
    const { to } = pen;
    to.fillStyle = to.strokeStyle = pen.colour(bar.close >= bar.open ? "--up" : "--down");
    to.lineWidth = 1;
    to.beginPath();
    for (const [from, until] of [[high, top], [bottom, low]]) {
      to.moveTo(x, from);
      to.lineTo(x, until);
    }
    to.stroke();
    const settled = bar.state === "final" || bar.state === "revised";
    if (settled || wide < 4) to.fillRect(x - wide / 2, top, wide, tall);
    else to.strokeRect(x - wide / 2 + 0.5, top, wide - 1, tall);

    const size = Math.max(7, Math.min(11, window.step * 1.2));
    if (bar.revision > 0) pen.text("◆", x, low + 8, "--mark", "center", size);
    const alerts = this.alerts.get(bar.time);
    if (alerts) {
      const raised = alerts.some((alert) => alert.state === "raised");
      pen.text(raised ? "▲" : "△", x, high - 8, "--accent", "center", size);
    }
    const { time, close, revision, state } = bar;
    this.drawn.push({ time, close, revision, state, x, y: scale.y(close) });
  }

  // A pane of its own for an indicator that is not in the unit of the price.
  #pane(line, top, height) {
    const { pen } = this;
    pen.line(0, top, this.right, top, "--line");
    const percent = line.label.startsWith("rsi");
    const room = extent(valuesOf([line], this.span));
    if (room) {
      const scale = new Scale(...(percent ? [0, 100] : room), top + 6, top + height - 4);
      this.#grid(scale, height / 2.5, 0, percent ? [30, 70] : null);
      pen.within(this.right, this.bottom, () => drawLine(pen, this.window, this.span, line, scale));
    }
    pen.text(line.label, 4, top + 10, "--muted");
  }

  // Lines at round values (or at `only` these) with their labels.
  #grid(scale, apart, decimalsLeast, only = null) {
    const { ticks, decimals } = scale.ticks(apart);
    for (const tick of only ?? ticks) {
      const y = scale.y(tick);
      const text = Math.abs(tick) >= 1e7 ? short(tick) : tick.toFixed(only ? 0 : Math.max(decimals, decimalsLeast));
      this.pen.line(0, y, this.right, y, "--grid");
      this.pen.text(text, this.right + 6, y, "--muted");
    }
  }

  // What is pointed at: its time, and the price at the pointer.
  #cross() {
    const { pen, pointer, bars } = this;
    if (!pointer || !bars[pointer.at]) return;
    const x = this.window.x(pointer.at);
    pen.line(x, 0, x, this.bottom, "--muted", [4, 3]);
    const time = clock(bars[pointer.at].time, "date");
    const half = pen.width(time) / 2 + 6;
    const at = Math.min(Math.max(x, half), this.right - half);
    pen.box(at - half, this.bottom + 1, 2 * half, AXIS - 2, "--text");
    pen.text(time, at, this.bottom + AXIS / 2, "--bg", "center");
    const { y } = pointer;
    if (y === null || !this.priceScale || y > this.price.bottom) return;
    pen.line(0, y, this.right, y, "--muted", [4, 3]);
    this.#tag(y, this.priceScale.value(y).toFixed(Math.max(2, this.decimals)), "--text");
  }

  // A highlighted label.
  #tag(y, text, colour) {
    this.pen.box(this.right, y - 8, this.canvas.clientWidth - this.right, 16, colour);
    this.pen.text(text, this.right + 6, y, "--bg");
  }
}
