// The chart: bars with their volume, lines over them, panes of other indicators below, on one canvas.
//
// It draws what it is shown and keeps nothing else: what is drawn follows from the bars, the lines, the
// window and the pointer. `drawn` lists the bars of the last drawing.

import { Scale, extent } from "./scale.js";
import { clock, decimalsOf, short } from "./text.js";
import { Window } from "./window.js";

const AXIS = 20; // the height of the time axis
const PANE = 78; // and of a pane below the bars
const FLASH_MS = 1_500; // a restated bar is lit for this long
const DAY_MS = 86_400_000;
const ROUND_MS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800, 2592000].map(
  (secs) => secs * 1_000,
);
const FONT = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
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
      this.window.newest();
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
    const { pen, canvas, window } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const dots = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
    }
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = FONT;
    pen.lineJoin = "round";
    this.ink = inks(canvas);
    this.drawn = [];
    if (this.bars.length === 0 || width < 100) return;

    const below = this.lines.filter((line) => !line.over);
    const pane = Math.min(PANE, (height - AXIS) / (below.length + 3));
    this.price = { top: 4, bottom: height - AXIS - below.length * pane };
    // The labels of prices decide how much room is left for bars.
    this.decimals = Math.max(...this.bars.slice(-100).map((bar) => decimalsOf(bar.row.close ?? "")));
    const widest = this.bars.at(-1).row.high ?? "0";
    this.right = width - Math.max(52, pen.measureText(Number(widest).toFixed(this.decimals)).width + 14);
    this.height = height;
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
    const { pen, window } = this;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (let at = this.span[0]; at <= this.span[1]; at++) {
      const left = (this.flashes.get(this.bars[at].time) ?? 0) - performance.now();
      if (left <= 0) continue;
      pen.globalAlpha = still ? 1 : Math.min(1, left / (FLASH_MS / 2));
      pen.fillStyle = this.ink("--flash");
      pen.fillRect(window.x(at) - window.step / 2, this.price.top, window.step, this.height - AXIS - this.price.top);
    }
    pen.globalAlpha = 1;
    for (const [time, until] of this.flashes) if (until <= performance.now()) this.flashes.delete(time);
  }

  // The time axis: labels at round times, far enough apart to be read, with the date where a day begins.
  #time() {
    const { pen, window, bars } = this;
    const [first, last] = this.span;
    const bar = Math.min(...bars.slice(-50).map((bar, at, some) => (at > 0 ? bar.time - some[at - 1].time : Infinity)));
    const every = ROUND_MS.find((every) => (every / bar) * window.step >= 84) ?? ROUND_MS.at(-1);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    let free = 24; // from where on there is room for a label
    for (let at = Math.max(1, first); at <= last; at++) {
      const [before, { time }] = [bars[at - 1].time, bars[at]];
      if (Math.floor(time / every) === Math.floor(before / every)) continue;
      const x = window.x(at);
      this.#line(x, this.price.top, x, this.height - AXIS, "--grid");
      if (x < free || x > this.right - 16) continue;
      const text = clock(time);
      const date = new Date(time).toISOString().slice(5, 10);
      const newDay = Math.floor(time / DAY_MS) !== Math.floor(before / DAY_MS);
      pen.fillStyle = this.ink("--muted");
      pen.fillText(newDay ? date : text.endsWith(":00") ? text.slice(0, 5) : text, x, this.height - AXIS / 2);
      free = x + 60;
    }
    this.#line(0, this.height - AXIS, this.right, this.height - AXIS, "--line");
    this.#line(this.right, 0, this.right, this.height - AXIS, "--line");
  }

  // The bars themselves, with the lines over them.
  #prices() {
    const { bars, span } = this;
    const seen = bars.slice(span[0], span[1] + 1).filter((bar) => bar.close !== null);
    const over = this.lines.filter((line) => line.over);
    const room = extent([...seen.flatMap((bar) => [bar.low, bar.high]), ...this.#values(over)]);
    if (!room) return;
    const { top, bottom } = this.price;
    const scale = new Scale(...room, top + 10, bottom - (bottom - top) * 0.14);
    this.priceScale = scale;
    this.#grid(scale, 48, this.decimals);

    const most = Math.max(...seen.map((bar) => bar.volume), 0);
    for (let at = span[0]; at <= span[1]; at++) this.#volume(at, most);
    for (const line of over) this.#lines(line, scale);
    for (let at = span[0]; at <= span[1]; at++) this.#bar(at, scale);

    const last = bars.at(-1);
    if (last.close === null) return;
    const colour = last.close >= last.open ? "--up" : "--down";
    this.#line(0, scale.y(last.close), this.right, scale.y(last.close), colour, [2, 3]);
    this.#tag(scale.y(last.close), last.close.toFixed(this.decimals), colour);
  }

  #volume(at, most) {
    const bar = this.bars[at];
    if (!most || !bar.volume) return;
    const { top, bottom } = this.price;
    const height = (bar.volume / most) * (bottom - top) * 0.13;
    this.pen.globalAlpha = 0.3;
    this.pen.fillStyle = this.ink(bar.close >= bar.open ? "--up" : "--down");
    const wide = Math.max(1, this.window.step * 0.66);
    this.pen.fillRect(this.window.x(at) - wide / 2, bottom - height, wide, height);
    this.pen.globalAlpha = 1;
  }

  // One bar: hollow until it is final, with a mark below it if it was revised after that.
  #bar(at, scale) {
    const { pen, window } = this;
    const bar = this.bars[at];
    const x = window.x(at);
    if (bar.close === null) return;
    const colour = this.ink(bar.close >= bar.open ? "--up" : "--down");
    const wide = Math.max(1, Math.round(window.step * 0.66));
    const [high, low] = [scale.y(bar.high), scale.y(bar.low)];
    const [top, bottom] = [scale.y(Math.max(bar.open, bar.close)), scale.y(Math.min(bar.open, bar.close))];
    const settled = bar.state === "final" || bar.state === "revised";
    pen.fillStyle = pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [from, to] of [[high, top], [bottom, low]]) {
      pen.moveTo(x, from);
      pen.lineTo(x, to);
    }
    pen.stroke();
    const tall = Math.max(1, bottom - top);
    if (settled || wide < 4) pen.fillRect(x - wide / 2, top, wide, tall);
    else pen.strokeRect(x - wide / 2 + 0.5, top, wide - 1, tall);

    if (bar.revision > 0) this.#mark("◆", x, low + 8, "--mark");
    const alerts = this.alerts.get(bar.time);
    if (alerts) {
      const raised = alerts.some((alert) => alert.state === "raised");
      this.#mark(raised ? "▲" : "△", x, high - 8, "--accent");
    }
    const { time, close, revision, state } = bar;
    this.drawn.push({ time, close, revision, state, x, y: scale.y(close) });
  }

  #mark(sign, x, y, colour) {
    const { pen } = this;
    pen.fillStyle = this.ink(colour);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${Math.max(7, Math.min(11, this.window.step * 1.2))}px sans-serif`;
    pen.fillText(sign, x, y);
    pen.font = FONT;
  }

  // A pane of its own for an indicator that is not in the unit of the price.
  #pane(line, top, height) {
    const room = extent(this.#values([line]));
    const { pen } = this;
    this.#line(0, top, this.right, top, "--line");
    if (room) {
      const fixed = line.label.startsWith("rsi") ? [0, 100] : room;
      const scale = new Scale(...fixed, top + 6, top + height - 4);
      const { ticks, decimals } = scale.ticks(height / 2.5);
      for (const tick of line.label.startsWith("rsi") ? [30, 70] : ticks) {
        this.#line(0, scale.y(tick), this.right, scale.y(tick), "--grid");
        this.#label(scale.y(tick), Math.abs(tick) >= 1e4 ? short(tick) : tick.toFixed(decimals));
      }
      this.#lines(line, scale);
    }
    pen.fillStyle = this.ink("--muted");
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(line.label, 4, top + 4);
  }

  // All values of lines in sight.
  #values(lines) {
    const values = [];
    for (const line of lines) {
      for (const points of line.outputs.values()) {
        for (let at = this.span[0]; at <= this.span[1]; at++) {
          if (points[at]) values.push(points[at].value);
        }
      }
    }
    return values;
  }

  // The outputs of an indicator: the first (or main) one strong, others fine; a histogram as columns; what
  // leads to a peek (the value on a bar that is still open) dashed.
  #lines(line, scale) {
    const names = [...line.outputs.keys()];
    for (const name of names) {
      const points = line.outputs.get(name);
      const fine = names.length > 1 && ["upper", "lower", "signal"].includes(name);
      if (name === "histogram") this.#columns(points, scale, line.colour);
      else this.#curve(points, scale, line.colour, fine ? 0.55 : 1);
    }
  }

  #curve(points, scale, colour, alpha) {
    const { pen, window } = this;
    pen.strokeStyle = this.ink(`--i${colour}`);
    pen.globalAlpha = alpha;
    pen.lineWidth = 1.4;
    for (const peeks of [false, true]) {
      pen.setLineDash(peeks ? [3, 3] : []);
      pen.beginPath();
      // One bar more on each side, so that lines leave through the edge.
      for (let at = Math.max(1, this.span[0]); at <= this.span[1]; at++) {
        const [from, to] = [points[at - 1], points[at]];
        if (!from || !to || to.peek !== peeks) continue;
        pen.moveTo(window.x(at - 1), scale.y(from.value));
        pen.lineTo(window.x(at), scale.y(to.value));
      }
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  #columns(points, scale, colour) {
    const { pen, window } = this;
    const wide = Math.max(1, window.step * 0.5);
    pen.fillStyle = this.ink(`--i${colour}`);
    for (let at = this.span[0]; at <= this.span[1]; at++) {
      if (!points[at]) continue;
      pen.globalAlpha = points[at].peek ? 0.15 : 0.3;
      const [zero, y] = [scale.y(0), scale.y(points[at].value)];
      pen.fillRect(window.x(at) - wide / 2, Math.min(zero, y), wide, Math.abs(zero - y));
    }
    pen.globalAlpha = 1;
  }

  #grid(scale, apart, most) {
    const { ticks, decimals } = scale.ticks(apart);
    for (const tick of ticks) {
      this.#line(0, scale.y(tick), this.right, scale.y(tick), "--grid");
      this.#label(scale.y(tick), tick.toFixed(Math.max(decimals, Math.min(most, 2))));
    }
  }

  // What is pointed at: its time, and the price at the pointer.
  #cross() {
    if (!this.pointer || !this.bars[this.pointer.at]) return;
    const { pen, window } = this;
    const x = window.x(this.pointer.at);
    this.#line(x, 0, x, this.height - AXIS, "--muted", [4, 3]);
    const time = clock(this.bars[this.pointer.at].time, "date");
    const half = pen.measureText(time).width / 2 + 6;
    const at = Math.min(Math.max(x, half), this.right - half);
    pen.fillStyle = this.ink("--text");
    pen.fillRect(at - half, this.height - AXIS + 1, 2 * half, AXIS - 2);
    pen.fillStyle = this.ink("--bg");
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(time, at, this.height - AXIS / 2);
    const { y } = this.pointer;
    if (y === null || !this.priceScale || y > this.price.bottom) return;
    this.#line(0, y, this.right, y, "--muted", [4, 3]);
    this.#tag(y, this.priceScale.value(y).toFixed(Math.max(2, this.decimals)), "--text");
  }

  #label(y, text) {
    const { pen } = this;
    pen.fillStyle = this.ink("--muted");
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(text, this.right + 6, y);
  }

  // A label that stands out.
  #tag(y, text, colour) {
    const { pen } = this;
    pen.fillStyle = this.ink(colour);
    pen.fillRect(this.right, y - 8, this.canvas.clientWidth - this.right, 16);
    pen.fillStyle = this.ink("--bg");
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(text, this.right + 6, y);
  }

  #line(x0, y0, x1, y1, colour, dash = []) {
    const { pen } = this;
    pen.strokeStyle = this.ink(colour);
    pen.lineWidth = 1;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    pen.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    pen.stroke();
    pen.setLineDash([]);
  }
}

// The colours of the page's style, by name; read once per drawing.
function inks(canvas) {
  const style = getComputedStyle(canvas);
  const known = new Map();
  return (name) => {
    if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
    return known.get(name);
  };
}
