// Portfolios and, of the chosen one, positions; shown if the server has these views and there is any.

import { Store } from "./store.js";
import { Table } from "./table.js";

const ROWS = 2_000;

export class Portfolio {
  constructor(section) {
    this.section = section;
    const by = (id) => section.querySelector(id);
    this.title = by("#positions-title");
    this.tables = {
      portfolios: new Table(by("#portfolios"), { by: "portfolio", choose: (row) => this.#choose(row.portfolio) }),
      positions: new Table(by("#positions"), { hidden: "portfolio" }),
    };
    this.stores = {};
  }

  follow(feed, views) {
    this.feed = feed;
    this.views = views;
    if (!views.has("portfolios") || !views.has("positions")) {
      this.section.hidden = true;
      return;
    }
    this.#follow("portfolios", {}, () => {
      const names = [...this.stores.portfolios.rows.values()].map((row) => row.portfolio);
      this.section.hidden = names.length === 0;
      if (names.length > 0 && !names.includes(this.chosen)) this.#choose(names.sort()[0]);
    });
    if (this.chosen) this.#choose(this.chosen);
  }

  #choose(portfolio) {
    this.chosen = portfolio;
    this.title.textContent = `Positions of ${portfolio}`;
    this.#follow("positions", { portfolio }, () => {});
    this.#draw("portfolios");
  }

  #follow(view, filter, then) {
    const store = new Store(this.views.get(view), ROWS);
    this.feed.follow(view, { view, conflate_ms: 250, ...filter }, (message) => {
      store.apply(message);
      if (!store.complete) return; // what was shown before stays until there is something in its place
      this.stores[view] = store;
      then();
      this.#draw(view);
    });
  }

  #draw(view) {
    const store = this.stores[view];
    if (store) this.tables[view].show(store, this.chosen);
  }
}
