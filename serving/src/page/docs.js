// The interface for people: every path of /openapi.json, with a form that tries it.
//
// It shows what the document says and nothing else. The key stays in the field: it is sent, and never stored.

const SHOWN_CHARS = 100_000; // of an answer
const STREAM_MS = 5_000; // an answer without end is shown for so long

const by = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// The field for a parameter: a choice where the values are known.
function field(parameter, id) {
  const { schema, required } = parameter;
  const words = schema.enum ?? schema.items?.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  if (words) {
    const none = required ? [] : [element("option", { value: "" }, "–")];
    return element("select", { id }, ...none, ...words.map((word) => element("option", { value: word }, word)));
  }
  const example = schema.examples?.[0] ?? schema.default;
  return element("input", { id, placeholder: example, required, spellcheck: "false" });
}

// What a form says as a request: `{ url, options, curl }`.
function request(path, method, parameters, values, body, type) {
  let url = path;
  const query = [];
  const headers = {};
  for (const parameter of parameters) {
    const value = values.get(parameter)?.trim();
    if (!value) continue;
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (parameter.in === "header") headers[parameter.name] = value;
    else if (parameter.schema.type === "object") query.push(value); // column=value
    else query.push(`${parameter.name}=${encodeURIComponent(value)}`);
  }
  if (query.length) url += `?${query.join("&")}`;
  if (type) headers["Content-Type"] = type;
  const shown = Object.entries(headers).map(([name, value]) => ` -H ${quoted(`${name}: ${value}`)}`);
  const verb = method === "get" ? "" : ` -X ${method.toUpperCase()}`;
  const data = body ? ` --data-binary ${quoted(body)}` : "";
  const curl = `curl${verb}${shown.join("")}${data} ${quoted(location.origin + url)}`;
  const key = by("key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  return { url, curl, options: { method: method.toUpperCase(), headers, body: body || undefined } };
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// Reads an answer, at most so much and for so long.
async function read(response, stop) {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  const timer = setTimeout(() => stop.abort(), STREAM_MS);
  let text = "";
  try {
    while (text.length < SHOWN_CHARS) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
    }
    return `${text.slice(0, SHOWN_CHARS)}\n… (cut)`;
  } catch {
    return `${text}\n… (goes on)`;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

function pretty(text, type) {
  if (!type.includes("json") || type.includes("ndjson")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function tryIt(made, out) {
  out.replaceChildren(element("pre", {}, made.curl), "asking …");
  const stop = new AbortController();
  try {
    const response = await fetch(made.url, { ...made.options, signal: stop.signal });
    const type = response.headers.get("content-type") ?? "";
    const text = await read(response, stop);
    const status = `${response.status} ${response.statusText} · ${type}`;
    const kind = response.ok ? "good" : "bad";
    const body = element("pre", { tabindex: "0" }, pretty(text, type));
    out.replaceChildren(element("pre", {}, made.curl), element("p", { class: kind }, status), body);
  } catch (error) {
    out.replaceChildren(element("pre", {}, made.curl), element("p", { class: "bad" }, `no answer: ${error.message}`));
  }
}

function operation(path, method, described) {
  const parameters = described.parameters ?? [];
  const fields = new Map();
  const rows = parameters.map((parameter) => {
    const id = `${described.operationId}-${parameter.name}`;
    const input = field(parameter, id);
    fields.set(parameter, input);
    const label = element("label", { for: id, class: parameter.required ? "required" : undefined }, parameter.name);
    return element("tr", {}, element("td", {}, label), element("td", {}, input), element("td", {}, parameter.description ?? ""));
  });
  const content = described.requestBody?.content;
  const types = Object.keys(content ?? {});
  const type = types.length
    ? element("select", { "aria-label": "Content-Type" }, ...types.map((one) => element("option", { value: one }, one)))
    : null;
  const body = types.length ? element("textarea", { "aria-label": "body", spellcheck: "false" }) : null;
  const out = element("div", { role: "status" });
  const form = element("form", {}, element("table", {}, ...rows), ...[type, body].filter(Boolean), element("button", {}, "Try it"), out);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = new Map([...fields].map(([parameter, input]) => [parameter, input.value]));
    tryIt(request(path, method, parameters, values, body?.value, type?.value), out);
  });
  const head = element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), " ", element("span", { class: "doc" }, described.summary));
  return element("details", { "data-path": `${path} ${described.summary}`.toLowerCase() }, head, form);
}

function find() {
  const wanted = by("find").value.trim().toLowerCase();
  for (const details of document.querySelectorAll("details")) {
    details.hidden = !details.dataset.path.includes(wanted);
  }
}

async function begin() {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`/openapi.json: ${response.status}`);
  const described = await response.json();
  by("about").textContent = `version ${described.info.version}. ${described.info.description}`;
  const shown = [];
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, one] of Object.entries(methods)) {
      if (method !== "head") shown.push(operation(path, method, one));
    }
  }
  by("paths").replaceChildren(...shown);
  by("find").addEventListener("input", find);
}

begin().catch((error) => {
  by("about").textContent = `the document cannot be read: ${error.message}`;
});
