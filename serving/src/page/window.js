// Which bars are in sight: how wide a bar is, and how many bars are newer than the rightmost one.
//
// Bars stand beside each other by number, not by time: a night without trades takes no room.

const STEP_LEAST = 1.5; // pixels per bar
const STEP_MOST = 48;
const STEP_FIRST = [9, 18]; // of many bars, and of few

export class Window {
  constructor() {
    this.step = STEP_FIRST[0];
    this.back = 0; // bars beyond the right edge; 0 follows the newest
    this.width = 0;
    this.count = 0;
  }

  // Bars have come: what is in sight stays, unless the newest is followed. `newer` of them are behind the
  // last one there was.
  grow(count, newer) {
    if (this.back > 0) this.back += newer;
    this.count = count;
    this.#keep();
  }

  resize(width) {
    this.width = width;
    this.#keep();
  }

  // Moves by so many bars into the past.
  move(bars) {
    this.back += bars;
    this.#keep();
  }

  newest() {
    this.back = 0;
  }

  // Begins anew with so many bars in about so much room.
  begin(count, width) {
    this.newest();
    this.step = Math.min(STEP_FIRST[1], Math.max(STEP_FIRST[0], width / (count + 8)));
  }

  // Makes bars wider by a factor; the bar at pixel `x` stays there, but a window at the newest bar stays there.
  zoom(by, x) {
    const at = this.place(x);
    this.step = Math.min(STEP_MOST, Math.max(STEP_LEAST, this.step * by));
    if (this.back > 0) this.back = this.count - 1 - at - (this.#right() - x) / this.step + 0.5;
    this.#keep();
  }

  // Puts a bar in sight.
  reveal(at) {
    const [first, last] = this.span();
    if (at < first || at > last) this.back = this.count - 1 - at - this.width / this.step / 2;
    this.#keep();
  }

  // The first and the last bar in sight.
  span() {
    const last = Math.min(this.count - 1, Math.floor(this.place(this.width) + 0.5));
    return [Math.max(0, Math.ceil(this.place(0) - 0.5)), last];
  }

  // The middle of a bar in pixels.
  x(at) {
    return this.#right() - (this.count - 1 - this.back - at + 0.5) * this.step;
  }

  // Which bar is at a pixel, with fractions: whole numbers are the middles of bars.
  place(x) {
    return this.count - 1 - this.back - (this.#right() - x) / this.step + 0.5;
  }

  // Whether the oldest bar is in sight.
  atStart() {
    return this.count > 0 && this.place(0) < 5;
  }

  #right() {
    return this.width - 6; // some air behind the newest bar
  }

  #keep() {
    const most = Math.max(0, this.count - Math.min(this.count, 10));
    this.back = Math.min(most, Math.max(0, this.back));
  }
}
