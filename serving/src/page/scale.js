// Scales: from values to pixels, and where a scale is labelled.

// A vertical scale of the values from `least` to `most` over the pixels from `top` to `bottom`.
export class Scale {
  constructor(least, most, top, bottom) {
    const room = most - least || Math.abs(most) * 0.01 || 1;
    this.least = least - room * 0.06;
    this.most = most + room * 0.06;
    this.top = top;
    this.bottom = bottom;
  }

  y(value) {
    return this.bottom - ((value - this.least) / (this.most - this.least)) * (this.bottom - this.top);
  }

  value(y) {
    return this.least + ((this.bottom - y) / (this.bottom - this.top)) * (this.most - this.least);
  }

  // Round values, about so many pixels apart, and how many decimals they need.
  ticks(apart) {
    const wanted = ((this.most - this.least) * apart) / (this.bottom - this.top);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map((by) => by * power).find((step) => step >= wanted);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const ticks = [];
    for (let at = Math.ceil(this.least / step); at * step <= this.most; at++) ticks.push(at * step);
    return { ticks, decimals };
  }
}

// The least and most of numbers; nothing if there are none.
export function extent(numbers) {
  let least = Infinity;
  let most = -Infinity;
  for (const number of numbers) {
    if (number < least) least = number;
    if (number > most) most = number;
  }
  return least <= most ? [least, most] : null;
}
