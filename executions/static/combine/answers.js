// Questions: how many are answered, and a draft that is kept two seconds after the last key. Without it there are
// buttons for all of this.

const SAVE_AFTER = 2_000;

const form = document.querySelector("form[data-draft]");
if (form) watch(form);

function watch(form) {
  const said = form.querySelector("#answer-saved, [data-saved]");
  const count = form.querySelector("#answer-count");
  let timer, isSent = false, kept = serialised();

  function serialised() {
    return new URLSearchParams(new FormData(form)).toString();
  }

  function isGiven(question) {
    return [...question.querySelectorAll("input, textarea, select")].some((input) =>
      input.type === "checkbox" || input.type === "radio" ? input.checked && input.value !== "" : input.value.trim() !== "");
  }

  function tell() {
    if (!count) return;
    const questions = [...form.querySelectorAll(".desk-question, .question")];
    const open = questions.filter((question) => !isGiven(question));
    count.querySelector("[data-given]").textContent = questions.length - open.length;
    count.querySelector("[data-left]").textContent = open.filter((question) => question.hasAttribute("data-required")).length;
  }

  async function save() {
    const now = serialised();
    if (isSent || now === kept) return;
    const body = new URLSearchParams(now);
    body.set(form.dataset.draft, "1");
    let answer;
    try {
      answer = await fetch(form.getAttribute("action") || location.href, {
        method: "POST", body, headers: { Accept: "application/json" },
      });
    } catch {
      say("The draft is not saved: the network is away. It is tried again when you go on typing.");
      return;
    }
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) {
      kept = now;
      say(`Draft saved at ${new Date(found.saved_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`);
    } else {
      say(found.detail || "The draft is not saved; what you typed stays here.");
    }
  }

  function say(text) {
    if (said) said.textContent = text;
  }

  form.addEventListener("input", (event) => {
    const question = event.target.closest(".desk-question, .question");
    const assume = question?.querySelector("input[name^='assume-']");
    // Who answers does not want the assumption any more.
    if (assume && event.target !== assume) assume.checked = false;
    tell();
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_AFTER);
  });
  form.addEventListener("submit", () => {
    isSent = true;
    clearTimeout(timer);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button[type=submit]"));
    }
  });
  // Back out of the browser's memory, it can be sent again.
  window.addEventListener("pageshow", () => { isSent = false; });
  tell();
}
