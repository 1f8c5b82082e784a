// What models write, as they write it: the panel of a run that is not over.

import { byId, config, fill, find, stepLabel, visible } from "./live_words.js";

export const output = {
  card: byId("output-card"),
  box: byId("output"),
  about: byId("output-about"),
  pre: find("#output pre"),
  texts: new Map(), // by path: what was written so far, by which attempt
  shown: "",
  isFollowing: true,
  write({ path, data }) {
    if (!this.card) return;
    let text = this.texts.get(path);
    if (!text || text.attempt !== data.attempt) this.texts.set(path, (text = { attempt: data.attempt, value: "" }));
    text.value = (text.value + data.text).slice(-config.mostText);
    const isNew = this.shown !== path;
    if (text.value === data.text) this.showWriters();
    if (isNew && this.texts.has(this.shown)) return; // another one is being shown
    if (isNew || text.value.length >= config.mostText) this.show(path, text.value, config.texts.writing);
    else this.pre.append(visible(data.text));
    this.box.setAttribute("aria-busy", "true");
    this.scroll();
  },
  // Where several steps write at once, the reader chooses.
  showWriters() {
    const box = byId("output-writers");
    const paths = [...this.texts.keys()].slice(0, 12);
    box.hidden = paths.length < 2;
    box.replaceChildren(...paths.map((path) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button-quiet";
      button.textContent = stepLabel(path);
      button.setAttribute("aria-pressed", String(path === this.shown));
      button.addEventListener("click", () => {
        this.show(path, this.texts.get(path)?.value ?? "", config.texts.writing);
        this.box.setAttribute("aria-busy", "true");
        this.showWriters();
        this.scroll();
      });
      return button;
    }));
  },
  // Another try forgets what was written; the stored document takes the place of the text that became it.
  follow(event, fields) {
    if (!this.card) return;
    const { path, event_type: type } = event;
    if (["step_retrying", "step_failed", "clarification_needed", "document_created"].includes(type) && this.texts.delete(path)) this.showWriters();
    if (type === "document_created" && path && (path === this.shown || !this.texts.has(this.shown))) this.showDocument(path, fields.document_id);
    else if (path === this.shown && !this.texts.has(path) && ["step_retrying", "step_failed", "clarification_needed"].includes(type)) this.show(path, "", config.texts.noOutput);
    if (config.terminal.includes(type)) { this.texts.clear(); this.box.setAttribute("aria-busy", "false"); }
  },
  show(path, text, about) {
    this.shown = path;
    this.pre.textContent = visible(text);
    this.about.textContent = fill(about, { step: stepLabel(path) });
    this.box.setAttribute("aria-busy", "false");
    byId("output-document").hidden = true;
  },
  async showDocument(path, id) {
    this.shown = path;
    this.wanted = id;
    this.box.setAttribute("aria-busy", "false");
    await new Promise((done) => setTimeout(done, 150));
    if (this.wanted !== id) return; // the next one is there already
    const response = await fetch(config.urls.document.replace(config.place.document, id)).catch(() => null);
    if (!response?.ok || response.redirected || this.wanted !== id || this.shown !== path || this.texts.has(path)) return;
    const text = await response.text();
    if (this.shown !== path) return;
    this.show(path, "", config.texts.stored);
    this.pre.textContent = text;
    this.box.dataset.document = id;
    const link = byId("output-document");
    link.href = config.urls.documentPage.replace(config.place.document, id);
    link.hidden = false;
    this.scroll();
  },
  scroll() {
    if (this.isFollowing) this.box.scrollTop = this.box.scrollHeight;
  },
  setFollowing(isOn) {
    this.isFollowing = isOn;
    byId("follow").setAttribute("aria-pressed", String(isOn));
    find("#follow span").textContent = isOn ? config.texts.following : config.texts.follow;
    this.scroll();
  },
};
if (output.card && !config.over) {
  output.card.hidden = false;
  byId("follow").addEventListener("click", () => output.setFollowing(!output.isFollowing));
  let top = 0;
  output.box.addEventListener("scroll", () => {
    const isUp = output.box.scrollTop < top - 4 && output.box.scrollTop + output.box.clientHeight < output.box.scrollHeight - 40;
    top = output.box.scrollTop;
    if (isUp && output.isFollowing) output.setFollowing(false);
  }, { passive: true });
}
