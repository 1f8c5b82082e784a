// Keeps a list of executions true without moving a row: cells of rows that are not over are replaced in place, and
// what is new is counted in a line above, which loads the page again. Asks every 8 s, every 30 s when nobody is at
// the keyboard, and not at all while the page is hidden or updates are paused.

import { showTimes } from "./frame.js";

const list = document.getElementById("executions");
const link = document.getElementById("new-rows");
const toggle = document.getElementById("live-toggle");
const status = document.getElementById("status");

const BUSY = 8_000;
const QUIET = 30_000;
const QUIET_AFTER = 120_000;

let lastAct = Date.now();
let isPaused = false;
let timer = 0;

for (const kind of ["pointermove", "keydown", "scroll"]) {
  window.addEventListener(kind, () => { lastAct = Date.now(); }, { passive: true });
}

function address() {
  const url = new URL(list.dataset.changes, location.href);
  for (const row of list.querySelectorAll("tr[data-active]")) url.searchParams.append("id", row.dataset.id);
  return url;
}

function patch(row, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.querySelector("tr");
  showTimes(template.content);
  for (const cell of fresh.querySelectorAll("[data-cell]")) {
    const old = row.querySelector(`[data-cell="${cell.dataset.cell}"]`);
    if (old && old.innerHTML !== cell.innerHTML && !old.contains(document.activeElement)) old.replaceWith(cell);
  }
  row.toggleAttribute("data-active", fresh.hasAttribute("data-active"));
}

function count(answer) {
  if (!answer.count || link.textContent === answer.label) return;
  link.textContent = answer.label;
  link.hidden = false;
  status.textContent = answer.label;
}

async function ask() {
  try {
    const response = await fetch(address(), { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 404) return; // logged out: a reload will say so
    if (response.ok) {
      const answer = await response.json();
      for (const [id, html] of Object.entries(answer.rows)) {
        const row = list.querySelector(`tr[data-id="${id}"]`);
        if (row) patch(row, html);
      }
      count(answer);
    }
  } catch {
    // The network or the server is away; the next turn asks again.
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  if (isPaused || document.hidden) return;
  timer = setTimeout(ask, Date.now() - lastAct > QUIET_AFTER ? QUIET : BUSY);
}

if (list && toggle) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    isPaused = !isPaused;
    toggle.setAttribute("aria-pressed", String(!isPaused));
    toggle.querySelector("span").textContent = isPaused ? toggle.dataset.paused : toggle.dataset.live;
    plan();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  plan();
}
