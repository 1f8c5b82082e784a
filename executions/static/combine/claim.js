// A claim lasts five minutes. While the page is open and looked at, it is renewed; what is lost is told.

const RENEW_EVERY = 60_000;

for (const form of document.querySelectorAll("form[data-claim]")) {
  const said = form.parentElement.querySelector(".gate-bar-said");
  const renew = async () => {
    if (document.hidden) return;
    const body = new URLSearchParams(new FormData(form));
    body.set("act", "claim");
    let answer;
    try {
      answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    } catch {
      return; // the network is away; the next round tries again
    }
    const found = await answer.json().catch(() => ({}));
    if (answer.ok && found.is_mine) return;
    clearInterval(timer);
    said.textContent = answer.ok ? `${found.by} has taken this over.` : found.detail || "Others do not see any more that you are at it.";
    said.setAttribute("role", "status");
  };
  const timer = setInterval(renew, RENEW_EVERY);
}
