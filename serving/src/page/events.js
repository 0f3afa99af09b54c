// The list of events: restatements, rejections, conflicts and alerts; the newest first.
//
// It shows rows of several views. Rows without a format of their own are shown column by column, so a view
// that comes later is shown without a change here.

import { Store } from "./store.js";
import { clock, element, epoch } from "./text.js";

// Views of events, if there are such.
const VIEWS = ["revisions", "alerts", "too_late", "conflicts", "unmatched", "dead_letters", "gaps", "outliers", "fill_faults"];
const KEPT = 200; // rows of each log
const KEPT_KEYED = 5_000; // rows of each other view: those do not come in the order of time
const SHOWN = 150; // rows altogether
const REDRAW_MS = 400;

export class EventList {
  // `choose(row)` is called when somebody wants to see the bar that an event is about.
  constructor(list, held, choose) {
    this.list = list;
    this.held = held;
    this.choose = choose;
    this.stores = new Map();
    this.items = new WeakMap(); // what shows a row
    this.seen = new WeakMap(); // of rows that do not say: the commit that they came with
    this.kind = "";
    setInterval(() => this.#draw(), REDRAW_MS);
  }

  // Follows the views of events that there are, of one instrument or (null) of all.
  follow(feed, views, symbol) {
    this.views = VIEWS.map((name) => views.get(name)).filter((view) => view);
    this.stores.clear();
    for (const view of this.views) {
      const store = new Store(view, view.kind === "log" ? KEPT : KEPT_KEYED);
      const has = (column) => view.columns.some(({ name }) => name === column);
      feed.unfollow(`events ${view.name}`);
      if (symbol && !has("instrument")) continue;
      // Rows of a keyed view may be many and in no order of time: of all instruments, only what is new.
      const request = {
        view: view.name,
        conflate_ms: 250,
        ...(view.kind === "log" ? { limit: KEPT } : { snapshot: symbol !== null }),
        ...(symbol ? { symbol } : {}),
      };
      this.stores.set(view.name, store);
      feed.follow(`events ${view.name}`, request, (message) => {
        for (const [row] of store.apply(message).upserts) this.seen.set(row, message.frontier.commit);
        this.changed = true;
      });
    }
    this.changed = true;
  }

  // Whether it shows the rows of this view.
  knows(view) {
    return VIEWS.includes(view);
  }

  // Shows only events of one view; all if empty.
  filter(kind) {
    this.kind = kind;
    this.changed = true;
  }

  #draw() {
    // Nobody can read, or press, what moves away.
    const held = this.list.matches(":hover") || this.list.contains(document.activeElement);
    this.held.hidden = !held;
    if (!this.changed || held) return;
    this.changed = false;
    const rows = [];
    for (const [name, store] of this.stores) {
      if (this.kind && this.kind !== name) continue;
      for (const row of store.rows.values()) rows.push([this.#commit(row), name, row]);
    }
    rows.sort((a, b) => b[0] - a[0]);
    const items = rows.slice(0, SHOWN).map(([, name, row]) => this.#item(name, row));
    if (items.length === 0) items.push(element("li", {}, "Nothing has happened yet."));
    this.list.replaceChildren(...items);
  }

  // When something happened, as far as that is known.
  #commit(row) {
    return row.commit ?? row.last_commit ?? this.seen.get(row) ?? 0;
  }

  #item(name, row) {
    let item = this.items.get(row);
    if (item) return item;
    const { text, time } = (WORDS[name] ?? plain)(row);
    const { instrument } = row;
    const subject = instrument
      ? element("button", { type: "button", onclick: () => this.choose(row) }, instrument)
      : null;
    const kind = element("span", { class: `kind ${name}` }, name.replace(/s$/, "").replaceAll("_", " "));
    const when = element("time", { title: `commit ${this.#commit(row)}` }, clock(epoch(time)));
    item = element("li", {}, element("div", {}, kind, subject, when), element("p", {}, text));
    this.items.set(row, item);
    return item;
  }
}

// What happened, and the time that it is about.
const WORDS = {
  revisions(row) {
    const parts = ["close", "high", "low", "open", "volume", "trades"]
      .filter((name) => row[`${name}_before`] !== row[`${name}_after`])
      .map((name) => `${name} ${row[`${name}_before`] ?? "–"} → ${row[`${name}_after`] ?? "–"}`);
    const what = parts.length > 0 ? parts.slice(0, 3).join(", ") : "prices and volume as before";
    return { text: `${row.timeframe} bar, revision ${row.revision} by ${row.cause}: ${what}`, time: row.open_time };
  },
  alerts(row) {
    return { text: `${row.rule} ${row.state} at the ${row.timeframe} bar`, time: row.open_time };
  },
  too_late(row) {
    return { text: `trade of ${row.size} at ${row.price}, behind the watermark ${clock(epoch(row.watermark))}`, time: row.time };
  },
  conflicts(row) {
    const copy = (which) => `${row[`${which}_size`]} at ${row[`${which}_price`]}`;
    return { text: `two copies of trade ${row.id}: kept ${copy("kept")}, dropped ${copy("dropped")}`, time: row.kept_time };
  },
  unmatched(row) {
    return { text: `${row.kind} of trade ${row.id}: ${row.reason.replaceAll("_", " ")}`, time: row.time };
  },
  gaps(row) {
    const one = row.first_id === row.last_id;
    const text = one ? `trade ${row.first_id} is missing` : `${row.missing} trades of ${row.first_id} to ${row.last_id} are missing`;
    return { text, time: row.from_time };
  },
  dead_letters(row) {
    return { text: `${row.source} ${row.partition}:${row.position}: ${row.detail}`, time: null };
  },
};

function plain(row) {
  const fields = Object.entries(row).filter(([name, value]) => !["commit", "instrument"].includes(name) && value !== null);
  const time = row.time ?? row.open_time ?? row.from ?? row.begin ?? null;
  return { text: fields.map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", "), time };
}
