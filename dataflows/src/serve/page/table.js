// A table of a keyed view: its columns are what `/v1/views` says, its cells flash when they change.

import { element, grouped, isNumber } from "./text.js";

const SHOWN = 200; // rows at most
const FLASH_MS = 700;

export class Table {
  // `choose(row)` is called when a row is chosen by the value in its column `by`, if there is one.
  constructor(table, by, choose) {
    this.table = table;
    this.by = by;
    this.choose = choose;
    this.lines = new Map(); // by key: what shows a row
  }

  // Shows the rows of a store; `chosen` is the value of `by` that is chosen.
  show(store, chosen) {
    const { columns, key } = store.view;
    if (this.view !== store.view) {
      this.view = store.view;
      this.lines.clear();
      const heads = columns.map(({ name, doc }) => element("th", { title: doc, scope: "col" }, name.replaceAll("_", " ")));
      this.heads = heads;
      this.body = element("tbody");
      this.table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), this.body);
    }
    const rows = [...store.rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, SHOWN);
    const lines = new Map();
    for (const [id, row] of rows) {
      const line = this.lines.get(id) ?? { row: null, cells: columns.map(() => element("td")) };
      line.element ??= element("tr", {}, ...line.cells);
      this.#fill(line, row, columns);
      line.element.classList.toggle("chosen", Boolean(this.by) && row[this.by] === chosen);
      lines.set(id, line);
    }
    const same = lines.size === this.lines.size && [...lines.keys()].every((id) => this.lines.has(id));
    this.lines = lines;
    if (!same || this.body.childElementCount === 0) {
      const shown = [...lines.values()].map((line) => line.element);
      const none = element("tr", {}, element("td", { colspan: columns.length }, "none yet"));
      this.body.replaceChildren(...(shown.length > 0 ? shown : [none]));
    }
  }

  #fill(line, row, columns) {
    if (line.row === row) return;
    columns.forEach(({ name }, at) => {
      const [before, now] = [line.row?.[name], row[name]];
      if (line.row && before === now) return;
      const cell = line.cells[at];
      const number = isNumber(now);
      const text = now === null ? "" : number ? grouped(tidy(now)) : String(now);
      if (name === this.by) {
        cell.replaceChildren(element("button", { type: "button", onclick: () => this.choose(line.row) }, text));
      } else {
        cell.textContent = text;
      }
      cell.title = now === null ? "" : String(now);
      cell.classList.toggle("number", number);
      if (number) this.heads[at].classList.add("number");
      cell.classList.toggle("down", number && Number(now) < 0);
      if (line.row) flash(cell);
    });
    line.row = row;
  }
}

// At most four decimals: the exact value is the cell's title.
function tidy(value) {
  const text = String(value);
  const decimals = text.split(".")[1] ?? "";
  return decimals.length > 4 ? Number(text).toFixed(4) : text;
}

function flash(cell) {
  cell.classList.add("flash");
  clearTimeout(cell.flashing);
  cell.flashing = setTimeout(() => cell.classList.remove("flash"), FLASH_MS);
}
