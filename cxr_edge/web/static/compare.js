// The comparison of the chosen models on one set of films: ROC with a threshold to move, cost, confusion tables.
import { confuse, curve, front, wilson } from "./figures.js";
import { element, html, Plot, plotWidth } from "./svg.js";

const rate = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");
const span = ([low, high]) => `${rate(low)} to ${rate(high)}`;

export class Comparison {
  constructor() {
    this.keys = [];
    this.bundles = [];
    this.threshold = null;
    this.cost = "p50_ms";
    this.set = document.getElementById("film-set");
    this.slider = document.getElementById("threshold");
    this.set.addEventListener("change", () => this.#draw());
    this.slider.addEventListener("input", () => {
      this.threshold = Number(this.slider.value);
      this.#drawAtThreshold();
    });
    document.getElementById("threshold-own").addEventListener("click", () => {
      this.threshold = null;
      this.#drawAtThreshold();
    });
    addEventListener("resize", () => {
      if (!document.getElementById("panel-compare").hidden) this.#draw();
    });
    for (const button of document.querySelectorAll("[data-cost]")) {
      button.addEventListener("click", () => {
        this.cost = button.dataset.cost;
        for (const other of document.querySelectorAll("[data-cost]")) other.setAttribute("aria-pressed", String(other === button));
        this.#drawCost();
      });
    }
  }

  async load() {
    if (document.getElementById("panel-compare").hidden) return;
    const answer = await fetch("/api/models");
    if (!answer.ok) return;
    this.bundles = (await answer.json()).bundles;
    this.#listSets();
    this.#draw();
  }

  choose(keys) {
    this.keys = keys;
    if (!document.getElementById("panel-compare").hidden && this.bundles.length) {
      this.#listSets();
      this.#draw();
    }
  }

  // Every chosen model with figures on the set `name`.
  #rows(name) {
    const rows = [];
    for (const bundle of this.bundles) {
      for (const model of bundle.models) {
        const figures = this.keys.includes(model.key) && model.figures.find((item) => item.data === name);
        if (!figures) continue;
        const positive = figures.positive.map(Boolean);
        rows.push({ bundle, model, figures, positive, curve: curve(figures.scores, positive) });
      }
    }
    return rows.map((row, index) => ({ ...row, hue: `h${index % 8}`, number: String(index + 1) }));
  }

  #listSets() {
    const chosen = this.bundles.flatMap((bundle) => bundle.models).filter((model) => this.keys.includes(model.key));
    const counts = new Map();
    for (const model of chosen) {
      for (const item of model.figures) counts.set(item.data, (counts.get(item.data) || 0) + 1);
    }
    const before = this.set.value;
    const names = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
    this.set.replaceChildren(...names.map((name) => html("option", { value: name }, `${name} (${counts.get(name)} of ${chosen.length})`)));
    if (counts.has(before)) this.set.value = before;
    this.set.parentElement.hidden = !names.length;
  }

  #draw() {
    this.rows = this.#rows(this.set.value);
    const empty = document.getElementById("compare-empty");
    empty.hidden = this.rows.length > 0;
    document.getElementById("compare-body").hidden = !this.rows.length;
    empty.textContent = this.keys.length
      ? "The chosen models are still being measured, or could not be."
      : "Choose one or more models to compare.";
    const note = document.getElementById("compare-note");
    note.textContent = "";
    if (!this.rows.length) return;
    const { figures, bundle } = this.rows[0];
    const left = this.keys.length - this.rows.length;
    note.textContent =
      `${figures.films} films, ${figures.positive_films} of them ${bundle.positive}. ` +
      (figures.simulated ? "Simulated films say nothing about patients. " : "") +
      (left ? `${left} of the chosen models ${left === 1 ? "has" : "have"} no figures on these films. ` : "") +
      `Times: ${[...new Set(this.rows.map((row) => row.figures.machine))].join("; ")}.`;
    this.#drawAtThreshold();
    this.#drawCost();
  }

  #drawAtThreshold() {
    if (!this.rows?.length) return;
    const own = this.threshold === null;
    const shown = own ? this.rows[0].bundle.threshold : this.threshold;
    this.slider.value = shown;
    const all = new Set(this.rows.map((row) => row.bundle.threshold));
    document.getElementById("threshold-value").textContent = own && all.size > 1 ? "own" : shown.toFixed(3);
    this.slider.setAttribute("aria-valuetext", own && all.size > 1 ? "each model’s own" : shown.toFixed(3));
    document.getElementById("threshold-own").disabled = own;
    const points = this.rows.map((row) => confuse(row.figures.scores, row.positive, own ? row.bundle.threshold : shown));
    this.#drawRoc(points);
    document.getElementById("confusions").replaceChildren(...this.rows.map((row, index) => this.#describe(row, points[index])));
  }

  #drawRoc(points) {
    const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => [value, value.toFixed(1)]);
    const words = this.rows.map((row, index) => `${row.model.title}: sensitivity ${rate(points[index].sensitivity)}, specificity ${rate(points[index].specificity)}`);
    const plot = new Plot({
      label: `ROC curves. ${words.join(". ")}`, xName: "1 − specificity", yName: "sensitivity", xTicks: ticks, yTicks: ticks, x: (value) => value, y: (value) => value,
      width: plotWidth(document.getElementById("roc")),
    });
    plot.path("chance", [[0, 0], [1, 1]]);
    for (const row of this.rows) plot.path(`curve ${row.hue}`, row.curve);
    for (const [index, row] of this.rows.entries()) {
      plot.mark(row.hue, 1 - points[index].specificity, points[index].sensitivity, row.number, words[index]);
    }
    document.getElementById("roc").replaceChildren(plot.svg);
  }

  #drawCost() {
    if (!this.rows?.length) return;
    const place = document.getElementById("pareto");
    const costs = this.rows
      .map((row) => ({ row, cost: this.cost === "size_mb" ? row.model.size_bytes / 1e6 : row.figures.p50_ms, auc: row.figures.auc }))
      .filter((point) => point.cost > 0);
    if (!costs.length) {
      place.replaceChildren(html("p", { class: "empty" }, "None of them was timed on these films."));
      return;
    }
    const low = Math.log10(Math.min(...costs.map((point) => point.cost)) * 0.75);
    const high = Math.log10(Math.max(...costs.map((point) => point.cost)) * 1.33);
    const floor = Math.floor((Math.min(...costs.map((point) => point.auc[1])) - 0.005) * 20) / 20;
    const step = 1 - floor > 0.3 ? 0.1 : 1 - floor > 0.12 ? 0.05 : 0.02;
    const yTicks = [];
    for (let value = 1; value > floor - 1e-9; value -= step) yTicks.push([value, value.toFixed(2)]);
    const xTicks = [];
    for (let power = -2; power < 5; power++) {
      for (const digit of high - low < 1.2 ? [1, 2, 3, 5, 7] : [1, 3]) {
        const value = digit * 10 ** power;
        if (Math.log10(value) >= low && Math.log10(value) <= high) xTicks.push([value, String(Number(value.toPrecision(1)))]);
      }
    }
    const unit = this.cost === "size_mb" ? "MB of file" : "ms for a film, median";
    const words = costs.map((point) => `${point.row.model.title}: AUC ${rate(point.auc[0])} (${span(point.auc.slice(1))}), ${point.cost.toPrecision(3)} ${unit}`);
    const plot = new Plot({
      label: `AUC against ${unit}. ${words.join(". ")}`, xName: `${unit}, logarithmic`, yName: "AUC, with 95 % interval", xTicks, yTicks,
      x: (value) => (Math.log10(value) - low) / (high - low), y: (value) => (value - floor) / (1 - floor),
      width: plotWidth(place),
    });
    const best = front(costs.map((point) => [point.cost, point.auc[0]]));
    plot.path("front", best);
    for (const point of costs) {
      const at = plot.x(point.cost);
      plot.svg.append(element("g", { class: point.row.hue }, element("line", { class: "whisker", x1: at, x2: at, y1: plot.y(point.auc[1]), y2: plot.y(point.auc[2]) })));
    }
    for (const [index, point] of costs.entries()) plot.mark(point.row.hue, point.cost, point.auc[0], point.row.number, words[index]);
    place.replaceChildren(plot.svg, html("p", { class: "note" }, "The dashed line joins the models that no other beats in both."));
  }

  #describe(row, point) {
    const { positive, labels } = row.bundle;
    const other = labels.length === 2 ? labels.find((label) => label !== positive) : "others";
    const cell = (kind, text) => html("td", { class: kind }, String(text));
    const table = html(
      "table", {},
      html("caption", { class: "sr" }, `Confusion table of ${row.model.title}`),
      html("thead", {}, html("tr", {}, html("td", {}), html("th", { scope: "col" }, `said ${positive}`), html("th", { scope: "col" }, `said ${other}`))),
      html(
        "tbody", {},
        html("tr", {}, html("th", { scope: "row" }, `is ${positive}`), cell("right", point.truePositive), cell("wrong", point.falseNegative)),
        html("tr", {}, html("th", { scope: "row" }, `is ${other}`), cell("wrong", point.falsePositive), cell("right", point.trueNegative)),
      ),
    );
    const figure = (name, value, count, total) =>
      html("div", {}, html("dt", {}, name), html("dd", {}, rate(value), html("small", {}, span(wilson(count, total)))));
    return html(
      "article", { class: `confusion ${row.hue}` },
      html("h3", {}, html("span", { "aria-hidden": "true" }, row.number), row.model.title),
      html("p", { class: "sub" }, `AUC ${rate(row.figures.auc[0])} (${span(row.figures.auc.slice(1))}) · threshold ${point.threshold.toFixed(3)}`),
      ...Object.entries(row.figures.within).map(([source, [value, ...limits]]) =>
        html("p", { class: "sub" }, `Within ${source} alone: AUC ${rate(value)} (${span(limits)})`)),
      html(
        "dl", { class: "rates" },
        figure("Sensitivity", point.sensitivity, point.truePositive, point.truePositive + point.falseNegative),
        figure("Specificity", point.specificity, point.trueNegative, point.trueNegative + point.falsePositive),
      ),
      table,
      html("p", { class: "sub drift" }, row.figures.verdict ? `Drift from ${row.figures.reference}: ${row.figures.verdict}: ${row.figures.reason}.` : ""),
    );
  }
}
