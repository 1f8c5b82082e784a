// What the page of a run was sent with (names, sentences, addresses), and how events are put into words by it.

export const config = JSON.parse(document.getElementById("live-config").textContent);
export const byId = (id) => document.getElementById(id);
export const find = (selector, root = document) => root.querySelector(selector);
export const named = (attribute, value, root = document) => find(`[${attribute}="${CSS.escape(value)}"]`, root);

// Characters that a reader could not see are spelled out, as the server does.
const HIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/gu;
export const visible = (value) =>
  String(value).replace(HIDDEN, (char) => `[U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
export const fill = (format, fields) => format.replace(/\{(\w+)\}/g, (_, name) => visible(fields[name] ?? ""));

export const clock = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeStyle: "medium" });

export function stepLabel(path) {
  if (!path) return "";
  const items = [...path.matchAll(/\[([^\]]*)\]/g)].map((match) => match[1]);
  const stepId = path.includes("].") ? path.slice(path.lastIndexOf("].") + 2) : path;
  const name = visible(config.names[stepId] ?? stepId);
  return items.length ? `${name} (${items.join(" / ")})` : name;
}

export function fieldsOf(event) {
  const data = event.data ?? {};
  const type = data.doc_type ?? config.documents[data.document_id] ?? "";
  return {
    ...data,
    document: config.types[type] ?? type,
    count: data.questions?.length ?? 0,
    roles: data.roles?.join(", ") || config.texts.operator,
    budget: `${data.scope}${data.percent >= 100 ? ".used_up" : ""}`,
    finding: data.findings?.[0]?.detail,
    reason_given: event.event_type.startsWith("execution_") ? data.reason : "",
  };
}

export function variantOf(event, fields) {
  const variant = `${event.event_type}.${fields[config.variants[event.event_type]]}`;
  return variant in config.sentences ? variant : event.event_type;
}
