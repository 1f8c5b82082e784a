// The page on which a document is decided on: keys that move, comments that find their place, drafts that are kept.
// Everything works without it. A key never decides: it moves to a button, and Ctrl+Enter or the button sends.

const form = document.getElementById("decide_form");
const sheet = document.getElementById("keys");
const showKeys = document.getElementById("show-keys");
const keysOn = document.getElementById("keys-on");

const OFF = "combine.keys-off";
const SAVE_AFTER = 2_000;

let chosen = null;
let isLeaving = false;

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

// Keys

function choose(value) {
  const button = form?.querySelector(`button[name=decision][value=${value}]`);
  if (!button || button.disabled) return;
  chosen = button;
  for (const each of form.querySelectorAll("[data-ready]")) each.removeAttribute("data-ready");
  button.setAttribute("data-ready", "");
  document.getElementById("ready").textContent = `Ctrl+Enter sends: ${button.textContent}.`;
  const reason = form.querySelector("textarea[name=comment]");
  const next = value === "accept" || reason.value.trim() ? button : reason;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => document.getElementById("next-item")?.click(),
  k: () => document.getElementById("previous-item")?.click(),
  a: () => choose("accept"),
  c: () => choose("request_changes"),
  x: () => choose("reject"),
  "?": () => sheet?.showModal(),
};

function isTyping(target) {
  return target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") !== null;
}

function send(event) {
  // Held down, the key repeats: only its first stroke counts, and only once per page.
  if (event.repeat || isLeaving || !form) return;
  const own = document.activeElement?.closest("button[name=decision]");
  const button = own || (form.contains(document.activeElement) ? chosen : null);
  if (!button) {
    if (form.contains(document.activeElement)) document.getElementById("ready").textContent = "Nothing is sent yet: choose what to do.";
    return;
  }
  event.preventDefault();
  form.requestSubmit(button);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || sheet?.open) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { send(event); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isLeaving) return;
  if (stored(OFF) || isTyping(event.target) || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});

if (sheet && showKeys) {
  showKeys.hidden = false;
  showKeys.addEventListener("click", () => sheet.showModal());
  keysOn.checked = !stored(OFF);
  keysOn.addEventListener("change", () => {
    try { keysOn.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1"); } catch { /* not kept */ }
  });
}

// Comments on places

function emptyRow() {
  const rows = [...form.querySelectorAll(".desk-place")];
  const isEmpty = (row) => [...row.querySelectorAll("input, textarea")].every((each) => !each.value);
  return rows.find(isEmpty) || addRow(rows.at(-1), rows.length);
}

function addRow(last, count) {
  const total = form.elements["places-TOTAL_FORMS"];
  if (!last || count >= Number(form.elements["places-MAX_NUM_FORMS"].value)) return null;
  const row = last.cloneNode(true);
  for (const error of row.querySelectorAll(".errorlist")) error.remove();
  row.classList.remove("errors");
  for (const each of row.querySelectorAll("input, textarea, label")) {
    for (const name of ["id", "name", "for"]) {
      if (each.hasAttribute(name)) each.setAttribute(name, each.getAttribute(name).replace(`-${count - 1}-`, `-${count}-`));
    }
    if (each.matches("label")) each.textContent = each.textContent.replace(/\d+$/, String(count + 1));
    else each.value = "";
  }
  last.after(row);
  total.value = String(count + 1);
  return row;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.doc-comment");
  if (!link || !form || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const own = [...form.querySelectorAll(".desk-place")].find((row) => row.querySelector("input").value === link.dataset.place);
  const row = own || emptyRow();
  if (!row) return; // the link leads there, too
  event.preventDefault();
  form.querySelector(".desk-places").open = true;
  row.querySelector("input").value = link.dataset.place;
  row.querySelector("textarea").focus();
  row.scrollIntoView({ block: "nearest" });
});

// Drafts: what is typed is kept on the server two seconds later.

let timer = 0;

async function keep() {
  if (isLeaving) return;
  const state = document.getElementById("draft-state");
  const body = new URLSearchParams(new FormData(form));
  body.set("keep_draft", "1");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    const found = await answer.json();
    state.textContent = answer.ok ? found.text : `Not kept: ${found.text}`;
  } catch {
    state.textContent = "Not kept on the server: it does not answer. Your text is still here.";
  }
}

if (form) {
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(keep, SAVE_AFTER);
  });
  form.addEventListener("submit", (event) => {
    if (isLeaving) { event.preventDefault(); return; }
    isLeaving = true;
    clearTimeout(timer);
    setTimeout(() => { isLeaving = false; }, 10_000);
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) isLeaving = false; });
}

// After a decision the next item opens: whoever works by keyboard begins at its heading.
if (document.querySelector(".messagelist") && location.hash === "" && !document.querySelector("[autofocus]")) {
  document.getElementById("document-heading")?.focus({ preventScroll: true });
}
