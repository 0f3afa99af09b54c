// Rows of one view, from the messages of the server.
//
// This is the only place where messages become rows. Whatever shows something reads `rows`, which is
// at every moment the view (or the part of it that is followed) as it was at `frontier`: a snapshot
// takes effect when its last part has come, and until then the rows before it stay.

export class Store {
  // `view` is an element of `/v1/views`, which lists the key. At most `most` rows are kept,
  // those that came first go first.
  constructor(view, most) {
    this.view = view;
    this.most = most;
    this.rows = new Map();
    this.frontier = null;
    this.complete = false; // whether a whole snapshot has come
    this.coming = null; // the parts of a snapshot that is not whole yet
    this.appended = 0;
  }

  // Applies one message. Gives the rows that it brought: `{ upserts: [[row, before]…], replaced }`.
  apply(message) {
    this.frontier = message.frontier ?? this.frontier;
    const change = { upserts: [], replaced: false };
    switch (message.type) {
      case "snapshot":
        if (message.part === 0 || !this.coming) this.coming = new Map();
        for (const row of message.rows) this.#put(this.coming, row);
        if (message.last) {
          this.rows = this.coming;
          this.coming = null;
          this.complete = change.replaced = true;
        }
        break;
      case "update":
        for (const key of message.deletes) this.rows.delete(this.#key(key));
        for (const row of message.upserts) change.upserts.push([row, this.#put(this.rows, row)]);
        break;
      case "progress": // nothing has changed up to its frontier
      case "resync": // a snapshot follows, and replaces everything
        break;
    }
    return change;
  }

  // Puts a row; gives the one that it replaces.
  #put(rows, row) {
    const key = this.#key(row);
    const before = rows.get(key);
    rows.set(key, row);
    if (rows.size > this.most) rows.delete(rows.keys().next().value);
    return before;
  }

  // Rows of logs are only appended, and may agree in their keys: each is one of its own.
  #key(row) {
    if (this.view.kind === "log") return this.appended++;
    return this.view.key.map((name) => row[name]).join("\n");
  }
}
