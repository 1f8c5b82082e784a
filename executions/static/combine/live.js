// The page of one run, kept up to date. What happens comes as events (server-sent, numbered); each adds its line to the
// log and changes the words of its step at once, exactly once, and soon after the server is asked for the parts of the
// page that follow from it. Sentences, states and badges are the server's; text of models and people is only ever set
// as text. Without this script the page is right as it was sent.

import { showTimes } from "./frame.js";
import { output } from "./live_output.js";
import { byId, clock, config, fieldsOf, fill, find, named, stepLabel, variantOf, visible } from "./live_words.js";

function showClocks(root) {
  for (const time of root.querySelectorAll("time[data-clock]")) time.textContent = clock.format(new Date(time.dateTime));
}

// ---- What events do to the page

const log = byId("log");

function addLine(event, fields) {
  const variant = variantOf(event, fields);
  const template = named("data-line", variant);
  if (!template || !config.newest || byId(`event-${event.seq}`)) return;
  const isAtEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
  const line = template.content.firstElementChild.cloneNode(true);
  line.id = `event-${event.seq}`;
  const step = find(".log-step", line);
  step.hidden = !event.path;
  if (event.path) step.href = config.urls.step.replace(config.place.path, encodeURIComponent(event.path));
  step.textContent = stepLabel(event.path);
  find(".log-text", line).textContent = fill(config.sentences[variant], fields);
  const detail = config.details.map((name) => fields[name]).find(Boolean);
  find(".log-detail", line).hidden = !detail;
  find(".log-detail", line).textContent = visible(String(detail ?? "").slice(0, 600));
  const time = find("time", line);
  time.dateTime = event.timestamp;
  time.title = event.timestamp;
  time.textContent = clock.format(new Date(event.timestamp));
  find(".log-time", line).href = `#event-${event.seq}`;
  log.append(line);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function patchStep(event, fields) {
  const status = config.moves[event.event_type];
  const row = status && event.path && named("data-row", event.path);
  if (!row) return;
  const state = named("data-state", status).content.firstElementChild.cloneNode(true);
  find(".state-words", state).textContent = fill(config.states[status], fields);
  find(".step-state", row).replaceChildren(state);
  row.dataset.status = status;
}

// Read out to those who do not see the page: what matters, not too fast, and never what a model writes.
let announcing = 0;
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => { byId("status").textContent = text; }, 400);
}

let lastSeq = config.seq;
let isOver = config.over;

function take(event) {
  if (event.seq === null || event.seq <= lastSeq) return;
  lastSeq = event.seq;
  const fields = fieldsOf(event);
  if (event.event_type === "document_created") config.documents[fields.document_id] = fields.doc_type;
  addLine(event, fields);
  patchStep(event, fields);
  output.follow(event, fields);
  if (config.announced.includes(event.event_type)) {
    announce(`${stepLabel(event.path)} ${fill(config.sentences[variantOf(event, fields)], fields)}`.trim());
  }
  isOver = config.terminal.includes(event.event_type);
  if (isOver) connection.end();
  parts.soon();
}

// ---- The parts of the page that the server renders

// Put new content in the place of old; what had the focus, or was unfolded, is so again.
const shownHtml = new WeakMap();
function swap(element, html) {
  if (!element || shownHtml.get(element) === html) return;
  shownHtml.set(element, html);
  const active = element.contains(document.activeElement) ? document.activeElement : null;
  const open = [...element.querySelectorAll("details:not([data-item])")].map((each) => each.open);
  element.innerHTML = html;
  element.querySelectorAll("details:not([data-item])").forEach((each, index) => { each.open = open[index] ?? each.open; });
  showTimes(element);
  if (!active) return;
  const href = active.getAttribute("href");
  const next = active.id ? byId(active.id) : href && named("href", href, element);
  (next || find("a, button, summary", element))?.focus({ preventScroll: true });
}

const tree = byId("live-tree");
const opened = new Set(new URLSearchParams(location.search).getAll("open"));

const parts = {
  timer: 0,
  seq: config.seq,
  pause: 400,
  last: 0,
  soon() {
    if (this.timer) return;
    const wait = Math.max(400, this.pause - (performance.now() - this.last)) + Math.random() * 200;
    this.timer = setTimeout(() => this.refresh(), wait);
  },
  async refresh() {
    this.last = performance.now();
    try {
      const url = new URL(config.urls.parts, location.href);
      url.searchParams.set("after", this.seq);
      for (const key of opened) url.searchParams.append("open", key);
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      if (response.redirected || response.status === 404) return connection.giveUp();
      if (response.ok) this.apply(await response.json());
    } catch {
      // The server is away: the connection says so, and asks again when it is back.
    } finally {
      this.timer = 0;
    }
    if (this.seq < lastSeq) this.soon();
  },
  apply(answer) {
    this.pause = answer.pause_ms;
    this.seq = Math.max(this.seq, answer.seq);
    for (const name of ["head", "banner", "acts", "side", "scale"]) swap(byId(`live-${name}`), answer.html[name]);
    if (answer.tree !== null) this.replant(answer.tree);
    for (const [path, html] of Object.entries(answer.rows)) this.replaceRow(path, html);
    for (const [path, html] of Object.entries(answer.bars)) {
      const row = named("data-row", path, tree);
      if (row) swap(find("[data-bar]", row), html);
    }
    for (const [key, html] of Object.entries(answer.groups)) swap(named("data-counts", key), html);
    this.showTab(answer.title, answer.favicon);
    // Over only when its last event is here, too: while the server was away the parts may be ahead of the log.
    isOver = answer.over && lastSeq >= answer.seq;
    if (isOver) connection.end();
    else if (!document.hidden) connection.open();
  },
  replant(html) {
    const open = new Map([...tree.querySelectorAll("details[data-item]")].map((each) => [each.dataset.item, each.open]));
    swap(tree, html);
    for (const each of tree.querySelectorAll("details[data-item]")) each.open = open.get(each.dataset.item) ?? each.open;
  },
  replaceRow(path, html) {
    const row = named("data-row", path, tree);
    if (!row) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    if (fresh.outerHTML === row.outerHTML) return;
    const had = row.contains(document.activeElement) && document.activeElement.className;
    row.replaceWith(fresh);
    if (had) find(`.${had}`, fresh)?.focus({ preventScroll: true });
  },
  showTab(title, favicon) {
    document.title = `${title} · ${document.title.split(" · ").pop()}`;
    byId("favicon").href = favicon;
  },
};

// The steps of an item of a long run come when it is opened.
tree.addEventListener("toggle", async (event) => {
  const item = event.target;
  if (!item.open || !item.hasAttribute("data-lazy")) return;
  item.removeAttribute("data-lazy");
  const response = await fetch(`${config.urls.group}?item=${encodeURIComponent(item.dataset.item)}`).catch(() => null);
  if (!response?.ok) return item.setAttribute("data-lazy", "");
  opened.add(item.dataset.item);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  find(".item-more", item).replaceWith(template.content);
}, true);

// ---- The connection: one stream, opened again with the last number; after some failures, asking now and then

const SHOW_AFTER = 1_500;
const POLL_AFTER = 5;
const POLL_EVERY = 5_000;
const SLEEP_AFTER = 60_000;
const SLOWEST = 4_000;

const connection = {
  box: byId("live-connection"),
  source: null,
  failures: 0,
  timers: { show: 0, retry: 0, poll: 0, hide: 0 },
  open() {
    if (this.source || isOver || this.isLost) return;
    clearTimeout(this.timers.retry);
    const source = new EventSource(`${config.urls.stream}?after=${lastSeq}`);
    this.source = source;
    for (const type of config.events) source.addEventListener(type, (message) => take(JSON.parse(message.data)));
    source.addEventListener("step_output", (message) => output.write(JSON.parse(message.data)));
    source.addEventListener("open", () => this.isUp());
    source.addEventListener("error", () => this.fail(source));
  },
  close() {
    this.source?.close();
    this.source = null;
  },
  fail(source) {
    if (source !== this.source) return;
    this.close();
    if (isOver) return;
    this.failures += 1;
    this.timers.show ||= setTimeout(() => this.say(config.texts.interrupted), SHOW_AFTER);
    const wait = Math.min(500 * 2 ** (this.failures - 1), SLOWEST);
    this.timers.retry = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
    if (this.failures === 2) parts.soon(); // logged out, perhaps, or over: the answer tells
    if (this.failures >= POLL_AFTER) this.timers.poll ||= setTimeout(() => this.poll(), 0);
  },
  isUp() {
    this.failures = 0;
    for (const name of ["show", "poll"]) {
      clearTimeout(this.timers[name]);
      this.timers[name] = 0;
    }
    if (this.box.hidden || this.isLost) return;
    this.say(config.texts.restored, true);
    this.timers.hide = setTimeout(() => { this.box.hidden = true; }, 5_000);
    parts.soon();
  },
  async poll() {
    let next = `${config.urls.events}?after=${lastSeq}`;
    try {
      while (next) {
        const response = await fetch(next);
        if (!response.ok) break;
        const page = await response.json();
        page.results.forEach(take);
        next = page.next;
        if (this.failures >= POLL_AFTER) this.say(config.texts.polling);
      }
    } catch {
      // The stream may have come back while this was asked.
      if (this.failures >= POLL_AFTER) this.say(config.texts.interrupted);
    }
    this.timers.poll = this.failures >= POLL_AFTER && !isOver ? setTimeout(() => this.poll(), POLL_EVERY) : 0;
  },
  say(text, isGood = false) {
    clearTimeout(this.timers.hide);
    const line = find("p", this.box);
    if (!this.box.hidden && line.textContent === text) return;
    this.box.hidden = false;
    this.box.classList.toggle("notice-good", isGood);
    this.box.classList.toggle("notice-wait", !isGood);
    find("button", this.box).hidden = isGood || this.isLost;
    line.textContent = text;
    announce(text);
  },
  // Over: no stream is needed any more.
  end() {
    this.close();
    for (const name of ["show", "retry", "poll"]) {
      clearTimeout(this.timers[name]);
      this.timers[name] = 0;
    }
    this.failures = 0;
    // That all is well again stays to be read, and hides itself.
    if (!this.isLost && !this.box.classList.contains("notice-good")) this.box.hidden = true;
  },
  giveUp() {
    this.isLost = true;
    this.end();
    this.say(config.texts.signedOut);
  },
};
find("button", connection.box).addEventListener("click", () => {
  connection.close();
  connection.open();
});

// A tab that nobody looks at needs no connection; one that is looked at again catches up.
let sleeping = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleeping);
  if (document.hidden) {
    sleeping = setTimeout(() => { connection.close(); clearTimeout(connection.timers.retry); }, SLEEP_AFTER);
  } else {
    parts.soon();
    connection.open();
  }
});
// Elapsed time and bars grow by themselves.
setInterval(() => { if (!isOver && !document.hidden) parts.soon(); }, 10_000);

// ---- Keys, the log's filter

const sheet = byId("keys");
const KEYS_OFF = "combine.keys-off";
const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function move(by) {
  const links = [...tree.querySelectorAll(".step-link")].filter((link) => link.checkVisibility());
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

function goToRun(by) {
  const runs = JSON.parse(sessionStorage.getItem("combine.runs") ?? "[]");
  const here = location.pathname.split("/").at(-2);
  const next = runs[runs.indexOf(here) + by];
  if (runs.includes(here) && next) location.href = location.pathname.replace(here, next);
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  g: () => (find("[data-blocker]") ?? byId("steps-title")).focus(),
  f: () => output.card && output.setFollowing(!output.isFollowing),
  "[": () => goToRun(-1),
  "]": () => goToRun(1),
  "?": () => sheet.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || sheet.open || isTyping(event.target)) return;
  if (localStorage.getItem(KEYS_OFF) || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
byId("keys-open").hidden = false;
byId("keys-open").addEventListener("click", () => sheet.showModal());
byId("keys-on").checked = !localStorage.getItem(KEYS_OFF);
byId("keys-on").addEventListener("change", ({ target }) => (target.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "yes")));

for (const link of document.querySelectorAll(".log-filter a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    log.dataset.show = link.dataset.show;
    for (const each of document.querySelectorAll(".log-filter a")) each.toggleAttribute("aria-current", false);
    link.setAttribute("aria-current", "true");
  });
}

showClocks(log);
log.scrollTop = log.scrollHeight;
byId("favicon").href = config.favicon;
connection.open();
