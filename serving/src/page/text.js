// How values are written. Numbers come as exact decimal text; only what is drawn or rounded is parsed.

// Milliseconds since 1970 of a time as the server writes it.
export function epoch(text) {
  return Date.parse(text);
}

// `12:03:05`, with what `detail` asks: `ms` adds milliseconds, `date` puts the day in front.
export function clock(ms, detail = "") {
  if (!Number.isFinite(ms)) return "";
  const text = new Date(ms).toISOString();
  const time = text.slice(11, detail === "ms" ? 23 : 19);
  return detail === "date" ? `${text.slice(0, 10)} ${time}` : time;
}

// A number's thousands apart, its decimals as they are.
export function grouped(text) {
  const [whole, rest] = String(text).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? apart : `${apart}.${rest}`;
}

// As many decimals as the text has.
export function decimalsOf(text) {
  return (String(text).split(".")[1] ?? "").length;
}

// A number for a label: few digits, whatever its size.
export function short(number) {
  const size = Math.abs(number);
  if (size >= 1e9) return `${(number / 1e9).toFixed(2)}B`;
  if (size >= 1e6) return `${(number / 1e6).toFixed(2)}M`;
  if (size >= 1e4) return `${(number / 1e3).toFixed(1)}k`;
  return size >= 100 || Number.isInteger(number) ? number.toFixed(0) : number.toPrecision(4);
}

// Whether a cell is written as a number.
export function isNumber(value) {
  return typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(value));
}

// An element with text (never markup: what is shown came from outside) and children.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
