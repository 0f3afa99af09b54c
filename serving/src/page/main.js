// The page: the selection, the subscriptions for it, and the parts that show them.
//
// It asks nothing that any other client could not ask: the lists of views and symbols once per connection,
// and everything else by following views over `/ws`.

import { Chart } from "./chart.js";
import { Feed } from "./feed.js";
import { handle } from "./hand.js";
import { Portfolio } from "./portfolio.js";
import { alertsOf, barsOf, kindOf, linesOf } from "./series.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { EventList } from "./events.js";
import { readout, tooltip } from "./legend.js";
import { element, epoch } from "./text.js";

const BARS = 300; // at first; twice as many each time that the oldest one comes in sight
const BARS_MOST = 4_800;
// The views of the chart: how many rows are kept, and how often they are updated.
const FOLLOWED = [
  ["candles", 2 * BARS_MOST, 100],
  ["indicators", 400_000, 200],
  ["alerts", 20_000, 500],
];
const RETRY_MS = 1_000; // until the server knows a symbol
const SYMBOLS_MS = 15_000; // how often new symbols are looked for
const COLOURS = 6;
const PANES = 3; // below the bars, at first

const by = (id) => document.getElementById(id);
const chart = new Chart(by("chart"));
const status = new Status(by("connection"), by("frontier"), by("rate"), by("notice"), chart.canvas.parentElement);
const events = new EventList(by("events"), by("events-held"), (row) => choose(row.instrument, row.timeframe));
const portfolio = new Portfolio(by("portfolio"));

let views = new Map();
let chosen = fromAddress();
let wanted = BARS; // bars
let stores = null; // of what the chart shows: candles, indicators, alerts
let hidden = new Set(); // indicators that are not drawn, by label
let known = []; // indicators that there are, by label
const colours = new Map(); // of indicators, by label: once given they stay
// Identifies connection and selection of a request: answers to earlier ones are ignored.
let connection = 0;
let choice = 0;

const feed = new Feed((state, detail) => {
  status.connection(state, detail);
  if (state === "welcome") begin();
});

// Everything anew: after connecting, and after connecting again.
async function begin() {
  const mine = ++connection;
  choice++;
  try {
    const [listed, symbols] = await Promise.all([ask("/v1/views"), ask("/v1/symbols?limit=1000")]);
    if (mine !== connection) return;
    views = new Map(listed.views.map((view) => [view.name, view]));
    pickers(symbols);
    portfolio.follow(feed, views);
    subscribeEvents();
    followChart();
  } catch (error) {
    console.warn(error);
    setTimeout(() => mine === connection && begin(), RETRY_MS);
  }
}

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { code: body.code });
  return body;
}

// The bars and what belongs to them, from the oldest bar that is wanted.
async function followChart() {
  const mine = ++choice;
  const again = (what) => setTimeout(() => mine === choice && what(), RETRY_MS);
  const { symbol, timeframe } = chosen;
  if (!symbol) {
    status.notice("Waiting for the first trade.");
    again(begin);
    return;
  }
  let from;
  try {
    from = await oldest(symbol, timeframe);
  } catch (error) {
    if (mine !== choice) return;
    status.notice(error.code === "unknown-symbol" ? `Waiting for the first trade of ${symbol}.` : error.message);
    again(followChart);
    return;
  }
  if (mine !== choice) return;
  const next = { symbol, timeframe };
  for (const [view, most, conflate_ms] of FOLLOWED) {
    if (!views.has(view)) continue;
    next[view] = new Store(views.get(view), most);
    feed.follow(view, { view, conflate_ms, symbol, timeframe, from }, (message) => {
      if (mine !== choice) return;
      if (message.type === "error") status.notice(message.problem.detail);
      else onCandles(next, view, next[view].apply(message));
    });
  }
}

// The opening time of the oldest of the bars that are wanted; nothing if there are none yet.
async function oldest(symbol, timeframe) {
  const path = `/v1/candles/${encodeURIComponent(symbol)}?timeframe=${timeframe}&limit=${wanted}`;
  const { candles, more } = await ask(path);
  chart.complete = !more;
  return candles[0]?.open_time;
}

// Something has changed. What was shown before stays until there are bars in its place.
function onCandles(next, view, change) {
  if (view === "candles" && next.candles.frontier) status.frontier(next.candles.frontier);
  if (!next.candles.complete) return;
  if (view === "candles") {
    for (const [row, before] of change.upserts) {
      if (before && row.revision > before.revision) chart.flash(epoch(row.open_time));
    }
  }
  status.notice(next.candles.rows.size > 0 ? "" : `No bars of ${next.symbol} yet.`);
  const fresh = !stores || stores.symbol !== next.symbol || stores.timeframe !== next.timeframe;
  stores = next;
  draw(fresh);
}

function draw(fresh = false) {
  const bars = barsOf(stores.candles);
  const lines = stores.indicators ? linesOf(stores.indicators, bars) : [];
  colour(lines);
  chart.show(bars, lines.filter((line) => !hidden.has(line.label)), alertsOf(stores.alerts), fresh);
}

// Gives each indicator its colour, and a key that shows and hides it.
function colour(lines) {
  const labels = lines.map((line) => line.label);
  for (const line of lines) {
    if (!colours.has(line.label)) colours.set(line.label, colours.size % COLOURS);
    line.colour = colours.get(line.label);
  }
  if (labels.join() === known.join()) return;
  known = labels;
  const below = lines.filter((line) => !line.over).sort((a, b) => rank(a) - rank(b));
  below.slice(PANES).forEach((line) => hidden.add(line.label));
  const keys = lines.map((line) => {
    const toggle = (event) => {
      if (!hidden.delete(line.label)) hidden.add(line.label);
      event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(line.label)));
      draw();
    };
    const pressed = String(!hidden.has(line.label));
    const attributes = { type: "button", class: `c${line.colour}`, "aria-pressed": pressed, onclick: toggle };
    return element("button", attributes, line.label);
  });
  by("indicators").replaceChildren(...keys);
}

// RSI and MACD are what most people look for first.
function rank(line) {
  return ["rsi", "macd"].includes(kindOf(line.label)) ? 0 : 1;
}

// What can be chosen.
function pickers({ symbols, timeframes }) {
  const names = symbols.map(({ symbol }) => symbol);
  if (!chosen.symbol) chosen.symbol = names[0];
  if (!timeframes.includes(chosen.timeframe)) chosen.timeframe = timeframes[0];
  if (chosen.symbol && !names.includes(chosen.symbol)) names.unshift(chosen.symbol);
  offer(by("symbol"), names, names, chosen.symbol);
  by("symbol").disabled = names.length === 0;
  const kinds = ["", ...[...views.keys()].filter((name) => events.knows(name))];
  offer(by("events-kind"), kinds, kinds.map((name) => name.replaceAll("_", " ") || "all kinds"), events.kind);

  const set = by("timeframes");
  const radios = () => [...set.querySelectorAll("input")];
  if (timeframes.join() !== radios().map((radio) => radio.value).join()) {
    const keys = timeframes.map((name) => {
      const onchange = () => choose(chosen.symbol, name);
      const radio = element("input", { type: "radio", name: "timeframe", value: name, onchange });
      return element("label", {}, radio, element("span", {}, name));
    });
    set.replaceChildren(set.querySelector("legend"), ...keys);
  }
  for (const radio of radios()) radio.checked = radio.value === chosen.timeframe;
}

// Makes `values` the options of a list, unless they are: whoever is choosing should not be disturbed.
function offer(select, values, texts, value) {
  if (values.join() !== [...select.options].map((option) => option.value).join()) {
    select.replaceChildren(...values.map((value, at) => element("option", { value }, texts[at])));
  }
  select.value = value ?? "";
}

function choose(symbol, timeframe) {
  const before = chosen;
  chosen = { symbol, timeframe: timeframe ?? chosen.timeframe };
  if (before.symbol === symbol && before.timeframe === chosen.timeframe) return;
  wanted = BARS;
  history.replaceState(null, "", `#${encodeURIComponent(symbol)}/${chosen.timeframe}`);
  by("symbol").value = symbol;
  for (const radio of document.querySelectorAll("#timeframes input")) radio.checked = radio.value === chosen.timeframe;
  if (by("events-symbol").checked && before.symbol !== symbol) subscribeEvents();
  followChart();
}

// `#venue:SYMBOL/1m` in the address chooses what is shown first.
function fromAddress() {
  const [symbol, timeframe] = location.hash.slice(1).split("/");
  return { symbol: decodeURIComponent(symbol) || undefined, timeframe };
}

function subscribeEvents() {
  events.follow(feed, views, by("events-symbol").checked ? chosen.symbol : null);
}

by("symbol").addEventListener("change", (event) => choose(event.target.value));
by("events-symbol").addEventListener("change", subscribeEvents);
by("events-kind").addEventListener("change", (event) => events.filter(event.target.value));
addEventListener("hashchange", () => {
  const { symbol, timeframe } = fromAddress();
  if (symbol) choose(symbol, timeframe);
});
handle(chart, () => {
  if (chart.complete || wanted >= BARS_MOST) return;
  chart.complete = true; // until it is known better
  wanted *= 2;
  followChart();
});
chart.ondraw = () => {
  readout(by("readout"), chart, stores);
  tooltip(by("tooltip"), chart);
};
setInterval(async () => {
  try {
    if (status.live) pickers(await ask("/v1/symbols?limit=1000"));
  } catch {
    // The state of the connection shows whether the server is there.
  }
}, SYMBOLS_MS);

// What the page shows, for those who test it.
window.tickweave = {
  get connection() {
    return status.state;
  },
  get shown() {
    return { ...chosen, commit: stores?.candles.frontier?.commit ?? null, bars: chart.drawn, indicators: known };
  },
};
