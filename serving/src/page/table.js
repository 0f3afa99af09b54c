// A table of a keyed view: its columns are those of `/v1/views`, its cells flash when they change. The numbers of
// a column have equally many decimals, so that they can be compared by looking.

import { decimalsOf, element, grouped, isNumber } from "./text.js";

const SHOWN = 200; // rows at most
const FLASH_MS = 700;
const DECIMALS = 4; // at most: the exact value is the cell's title

export class Table {
  // `choose(row)` is called when a row is chosen by the value in its column `by`, if there is one. The column `hidden`
  // is not shown: the title contains it.
  constructor(table, { by, choose, hidden }) {
    this.table = table;
    this.by = by;
    this.choose = choose;
    this.hidden = hidden;
    this.lines = new Map(); // by key: what shows a row
  }

  // Shows the rows of a store; `chosen` is the value of `by` that is chosen.
  show(store, chosen) {
    if (this.view !== store.view) {
      this.view = store.view;
      this.columns = store.view.columns.filter(({ name }) => name !== this.hidden);
      this.decimals = this.columns.map(() => 0);
      this.lines.clear();
      const heads = this.columns.map(({ name, doc }) => element("th", { title: doc, scope: "col" }, name.replaceAll("_", " ")));
      this.heads = heads;
      this.body = element("tbody");
      this.table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), this.body);
    }
    const { columns } = this;
    const rows = [...store.rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, SHOWN);
    this.#widen(rows);
    const lines = new Map();
    for (const [id, row] of rows) {
      const line = this.lines.get(id) ?? { row: null, cells: columns.map(() => element("td")) };
      line.element ??= element("tr", {}, ...line.cells);
      this.#fill(line, row);
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

  // Columns only ever get more decimals, so that they do not go to and fro.
  #widen(rows) {
    const decimals = this.columns.map(({ name }, at) => {
      const most = rows.map(([, row]) => (isNumber(row[name]) ? decimalsOf(row[name]) : 0));
      return Math.min(Math.max(this.decimals[at], ...most), DECIMALS);
    });
    if (decimals.every((now, at) => now === this.decimals[at])) return;
    this.decimals = decimals;
    for (const line of this.lines.values()) line.row = null; // to be written anew, without flashing
  }

  #fill(line, row) {
    if (line.row === row) return;
    this.columns.forEach(({ name }, at) => {
      const [before, now] = [line.row?.[name], row[name]];
      if (line.row && before === now) return;
      const cell = line.cells[at];
      const number = isNumber(now);
      const text = now === null ? "" : number ? grouped(tidy(now, this.decimals[at])) : String(now);
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

// With so many decimals. Digits that are there stay as they are: only what has more is rounded.
function tidy(value, decimals) {
  const text = String(value);
  const has = decimalsOf(text);
  if (has > decimals || text.includes("e")) return Number(text).toFixed(decimals);
  return decimals === 0 ? text : `${text}${has === 0 ? "." : ""}${"0".repeat(decimals - has)}`;
}

function flash(cell) {
  cell.classList.add("flash");
  clearTimeout(cell.flashing);
  cell.flashing = setTimeout(() => cell.classList.remove("flash"), FLASH_MS);
}
