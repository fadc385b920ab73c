// Classifying: the films go one by one, two at a time, and every result is a card in the films' order.
import { saveCsv, saveReport } from "./report.js";

const AT_ONCE = 2;
const TRIES = 8;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Results {
  constructor() {
    this.section = document.getElementById("results");
    this.list = document.getElementById("list");
    this.progress = document.getElementById("progress");
    this.stop = document.getElementById("stop");
    this.filter = "all";
    this.stop.addEventListener("click", () => this.abort?.abort());
    document.getElementById("clear").addEventListener("click", () => this.#clear());
    document.getElementById("export-csv").addEventListener("click", () => saveCsv(this.#done()));
    document.getElementById("export-html").addEventListener("click", () => saveReport(this.#done()));
    document.getElementById("filters").addEventListener("click", (event) => this.#choose(event.target.closest("button")));
    document.getElementById("opacity").addEventListener("input", (event) => this.#fade(Number(event.target.value)));
    // A browser keeps a slider's place when the page is loaded again.
    this.#fade(Number(document.getElementById("opacity").value));
  }

  async run(films, models, statusLine) {
    this.abort = new AbortController();
    const query = new URLSearchParams(models.map((model) => ["model", model.key]));
    const cards = films.map((film) => [film, this.#place(film)]);
    const waiting = [...cards];
    let done = 0;
    this.section.hidden = this.progress.hidden = this.stop.hidden = false;
    this.progress.max = films.length;
    this.progress.value = 0;
    document.getElementById("results-title").focus({ preventScroll: true });
    this.section.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    const work = async () => {
      for (let next = waiting.shift(); next && !this.abort.signal.aborted; next = waiting.shift()) {
        await this.#classify(...next, query, statusLine);
        this.progress.value = ++done;
        statusLine.textContent = `${done} of ${films.length} done`;
        this.#count();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    for (const [, card] of waiting) card.remove();
    for (const card of this.list.querySelectorAll(".waiting")) card.remove();
    this.progress.hidden = this.stop.hidden = true;
    const failed = cards.filter(([film]) => this.#card(film.key)?.matches(".failed")).length;
    const stopped = this.abort.signal.aborted ? ", stopped" : "";
    statusLine.textContent = `${done} of ${films.length} films done${stopped}${failed ? `; ${failed} could not be classified` : ""}`;
    this.#count();
  }

  #place(film) {
    const card = document.createElement("article");
    card.className = "result waiting";
    card.dataset.card = film.key;
    card.textContent = `${film.name}: waiting`;
    const before = this.#card(film.key);
    if (before) before.replaceWith(card);
    else this.list.append(card);
    return card;
  }

  async #classify(film, card, query, statusLine) {
    const target = new URLSearchParams(query);
    target.set(film.file ? "name" : "film", film.file ? film.name : film.key);
    card.textContent = `${film.name}: being classified`;
    try {
      for (let turn = 1; ; turn++) {
        const answer = await fetch(`/parts/result?${target}`, { method: "POST", body: film.file, signal: this.abort.signal });
        if (answer.status === 503 && turn < TRIES) {
          statusLine.textContent = "The program is busy; waiting for a place";
          await pause(1000 * Number(answer.headers.get("Retry-After") || 2));
          continue;
        }
        if (answer.ok) this.#show(card, film, await answer.text());
        else this.#fail(card, film, (await answer.json()).error);
        return;
      }
    } catch (error) {
      if (error.name !== "AbortError") this.#fail(card, film, "the program does not answer; is “cxr-edge serve” still running?");
    }
  }

  #show(card, film, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const result = template.content.querySelector("article");
    result.dataset.card = film.key;
    // The film itself comes once; the maps lie over copies of it.
    const source = result.querySelector(".film").src;
    for (const image of result.querySelectorAll(".again")) image.src = source;
    card.replaceWith(result);
  }

  #fail(card, film, text) {
    card.className = "result failed";
    card.setAttribute("role", "group");
    const title = document.createElement("h3");
    title.textContent = film.name;
    const fact = document.createElement("p");
    fact.className = "fault";
    fact.textContent = text;
    card.replaceChildren(title, fact);
  }

  #card(key) {
    return [...this.list.children].find((card) => card.dataset.card === key);
  }

  #done() {
    return [...this.list.querySelectorAll(".result[data-csv]")];
  }

  #matches(card, filter) {
    if (filter === "differ") return card.dataset.agreement === "differ";
    if (filter === "all") return true;
    return Number(card.dataset[filter] || 0) > 0;
  }

  #count() {
    const cards = [...this.list.children];
    for (const button of document.querySelectorAll("#filters button")) {
      const count = cards.filter((card) => this.#matches(card, button.dataset.filter)).length;
      button.querySelector("span").textContent = count;
      button.disabled = !count && button.dataset.filter !== "all" && button.dataset.filter !== this.filter;
    }
    for (const card of cards) card.hidden = !this.#matches(card, this.filter) && !card.matches(".waiting");
    document.getElementById("none-shown").hidden = !cards.length || cards.some((card) => !card.hidden);
    for (const id of ["export-csv", "export-html"]) document.getElementById(id).disabled = !this.#done().length;
  }

  #choose(button) {
    if (!button) return;
    this.filter = button.dataset.filter;
    for (const other of document.querySelectorAll("#filters button")) other.setAttribute("aria-pressed", String(other === button));
    this.#count();
  }

  #fade(percent) {
    document.documentElement.style.setProperty("--heat", String(percent / 100));
    document.getElementById("opacity-value").textContent = `${percent} %`;
  }

  #clear() {
    this.abort?.abort();
    this.list.replaceChildren();
    this.section.hidden = true;
    this.#choose(document.querySelector("#filters [data-filter=all]"));
    document.getElementById("run").focus();
  }
}
