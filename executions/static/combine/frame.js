// What every page of ours has: menus that close, times in the reader's zone, buttons that copy, forms sent once.
// Everything works without it.

for (const menu of document.querySelectorAll("details.menu")) {
  document.addEventListener("click", (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

const language = document.documentElement.lang || undefined;
const zoned = new Intl.DateTimeFormat(language, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});

// The server writes UTC, which is right everywhere; here the reader's own zone is known. Relative times keep their
// words and tell the exact time on hovering.
export function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = `${zoned.format(at)} (${time.dateTime.slice(0, 19).replace("T", " ")} UTC)`;
    if (!time.hasAttribute("data-relative") && !time.hasAttribute("data-clock")) time.textContent = zoned.format(at);
  }
}
showTimes(document);

// Distances from now go on being true on a page that stays open; the units are the server's.
const distance = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const short = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" });

function renewDistances() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const minutes = Math.round((new Date(time.dateTime) - Date.now()) / 60_000);
    const hours = Math.round(minutes / 60);
    if (!minutes) continue; // less than a minute: what the server said still holds
    if (Math.abs(minutes) < 60) time.textContent = short.format(minutes, "minute");
    else if (Math.abs(hours) < 48) time.textContent = distance.format(hours, "hour");
    else time.textContent = distance.format(Math.round(hours / 24), "day");
  }
}
setInterval(renewDistances, 30_000);

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
    document.getElementById("status").textContent = button.dataset.copied;
  });
}

// A second click on a button that spends money must not spend it twice.
for (const form of document.querySelectorAll("form[data-once]")) {
  const mark = (isSent) => {
    form.toggleAttribute("data-sent", isSent);
    for (const button of form.querySelectorAll("button[type=submit]")) {
      if (isSent) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  };
  form.addEventListener("submit", (event) => {
    if (form.hasAttribute("data-sent")) {
      event.preventDefault();
      return;
    }
    mark(true);
    // No answer in this time: the network is away, and it may be tried again.
    setTimeout(() => mark(false), 10_000);
  });
  // Back from the next page, out of the browser's memory.
  window.addEventListener("pageshow", (event) => event.persisted && mark(false));
}

// The page of a run leads to the one before and the one after it, in the list from which somebody came.
const runs = [...document.querySelectorAll(".table-runs tr[data-id]")].map((row) => row.dataset.id);
if (runs.length) sessionStorage.setItem("combine.runs", JSON.stringify(runs));
