// Text of the chart: the line above it, and the tooltip of a bar.

import { clock, element, grouped } from "./text.js";

// The bar that is pointed at (else the newest) with the values of the lines at it.
export function readout(place, chart, stores) {
  const { current: bar } = chart;
  if (!bar || !stores) return place.replaceChildren("\u00a0");
  const { row } = bar;
  const tone = bar.close >= bar.open ? "up" : "down";
  const value = (name, text) => [` ${name} `, element("b", { class: tone }, text === null ? "–" : grouped(text))];
  const at = chart.bars.indexOf(bar);
  const decimals = Math.max(2, chart.decimals ?? 2);
  const lines = chart.lines.map(({ label, outputs }) => {
    const values = [...outputs.values()].map((points) => points[at]).filter((point) => point);
    // An asterisk has the meaning of a dashed line: the value may still change.
    const text = values.map(({ value, peek }) => `${value.toFixed(decimals)}${peek ? "*" : ""}`).join(" ");
    return values.length > 0 ? `${label} ${text}` : null;
  });
  place.replaceChildren(
    element("span", {}, element("b", {}, stores.symbol), ` ${stores.timeframe} `),
    element("span", { class: "muted" }, clock(bar.time)),
    ...value("O", row.open),
    ...value("H", row.high),
    ...value("L", row.low),
    ...value("C", row.close),
    ...value("V", row.volume),
    element("small", {}, lines.filter((line) => line).join("   ") || "\u00a0"),
  );
}

// How sure a bar is: its state, and why it was restated.
export function tooltip(place, chart) {
  const { pointer } = chart;
  const bar = pointer && chart.bars[pointer.at];
  place.hidden = !bar;
  if (!bar) return;
  const { row } = bar;
  const meaning = {
    open: "open: trades are still expected",
    provisional: "provisional: over, but late trades are still waited for",
    final: "final",
    revised: "revised after it was final",
    partial: "partial: it began before its sources were read, so trades may be missing",
  };
  const vwap = bar.volume > 0 ? (Number(row.notional) / bar.volume).toFixed(Math.max(2, chart.decimals)) : null;
  const alerts = chart.alerts.get(bar.time) ?? [];
  const cause = row.cause === "trade" ? `late trade ${row.cause_id}` : `${row.cause} of trade ${row.cause_id}`;
  const lines = [
    element("p", {}, element("b", {}, clock(bar.time, "date")), ` to ${clock(Date.parse(row.end_time))}`),
    element("p", { class: bar.revision > 0 ? "mark" : null }, meaning[bar.state] ?? bar.state),
    bar.revision > 0 ? element("p", { class: "mark" }, `revision ${bar.revision}, cause: ${cause}`) : null,
    element("p", { class: "muted" }, `${grouped(row.trades)} trades${vwap ? `, VWAP ${vwap}` : ""}`),
    ...alerts.map((alert) => element("p", {}, `alert ${alert.rule}: ${alert.state}`)),
  ];
  place.replaceChildren(...lines.filter((line) => line));
  // On the side where the pointer is not.
  const left = chart.window.x(pointer.at) > chart.right / 2;
  place.style.left = left ? "8px" : "";
  place.style.right = left ? "" : `${chart.canvas.clientWidth - chart.right + 8}px`;
}
