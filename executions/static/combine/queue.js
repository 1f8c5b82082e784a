// The inbox by keyboard: j and k move from item to item, x chooses, Enter opens (it is a link). Keys never decide.
// They can be switched off on the page on which documents are decided on.

const OFF = "combine.keys-off";
const items = [...document.querySelectorAll("[data-item]")];
const hint = document.querySelector(".inbox-keys");

function isOff() {
  try { return localStorage.getItem(OFF) !== null; } catch { return false; }
}

function move(step) {
  const row = document.activeElement?.closest("tr");
  const at = items.findIndex((item) => item.closest("tr") === row);
  const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function choose() {
  document.activeElement?.closest("tr")?.querySelector("input[name=gate]")?.click();
}

const KEYS = { j: () => move(1), k: () => move(-1), x: choose };

function isTyping(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

if (hint && items.length && !isOff()) {
  hint.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
}
