// From rows to what a chart draws: bars in the order of time, lines over them, marks at them.

import { epoch } from "./text.js";

// Indicators in the unit of the price are drawn over the bars; every other kind has a pane of its own.
const OVER_BARS = new Set(["sma", "ema", "dema", "tema", "wma", "bb", "keltner", "donchian", "vwap"]);

// Rows do not change once they have come (a restated one is another object), so each is read once.
const read = new WeakMap();

function barOf(row) {
  let bar = read.get(row);
  if (!bar) {
    const number = (text) => (text === null ? null : Number(text));
    bar = {
      row,
      time: epoch(row.open_time),
      open: number(row.open),
      high: number(row.high),
      low: number(row.low),
      close: number(row.close),
      volume: number(row.volume),
      state: row.state,
      revision: row.revision,
    };
    read.set(row, bar);
  }
  return bar;
}

// The bars of a store of `candles`, in the order of time.
export function barsOf(store) {
  return [...store.rows.values()].map(barOf).sort((a, b) => a.time - b.time);
}

// What kind of indicator a label such as `sma20` names.
export function kindOf(label) {
  return label.match(/^[a-z]+/)?.[0] ?? label;
}

// The indicators of a store of `indicators`, by label; each with its outputs as lists beside `bars`:
// `{ label, over, outputs: Map(name → [{ value, peek } or undefined]) }`.
export function linesOf(store, bars) {
  const place = new Map(bars.map((bar, at) => [bar.row.open_time, at]));
  const lines = new Map();
  for (const row of store.rows.values()) {
    const at = place.get(row.open_time);
    if (at === undefined || row.value === null) continue;
    let line = lines.get(row.indicator);
    if (!line) {
      const over = OVER_BARS.has(kindOf(row.indicator));
      line = { label: row.indicator, over, outputs: new Map() };
      lines.set(row.indicator, line);
    }
    let points = line.outputs.get(row.output);
    if (!points) line.outputs.set(row.output, (points = new Array(bars.length)));
    points[at] = { value: Number(row.value), peek: row.state === "peek" };
  }
  return [...lines.values()].sort((a, b) => (a.label < b.label ? -1 : 1));
}

// Alerts by the time of their bar, in ms.
export function alertsOf(store) {
  const alerts = new Map();
  for (const row of store?.rows.values() ?? []) {
    const time = epoch(row.open_time);
    alerts.set(time, [...(alerts.get(time) ?? []), row]);
  }
  return alerts;
}
