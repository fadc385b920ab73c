// The page: wires models, films, results and the comparison to one another.
import { Comparison } from "./compare.js";
import { Films } from "./films.js";
import { Models } from "./models.js";
import { Results } from "./results.js";
import { startTabs } from "./tabs.js";
import { startUploads } from "./upload.js";

const models = new Models(Number(document.body.dataset.mostModels));
const films = new Films(Number(document.body.dataset.filmLimit));
const results = new Results();
const comparison = new Comparison();
const runButton = document.getElementById("run");
const statusLine = document.getElementById("status");
let running = false;
let outcome = "";

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function refresh() {
  const chosenModels = models.chosen();
  const chosenFilms = films.chosen();
  comparison.choose(chosenModels.map((model) => model.key));
  const ready = chosenModels.length > 0 && chosenFilms.length > 0;
  runButton.disabled = running || !ready;
  runButton.textContent = ready
    ? `Classify ${plural(chosenFilms.length, "film")} with ${plural(chosenModels.length, "model")}`
    : "Classify";
  if (!running) {
    statusLine.textContent = ready
      ? films.note || outcome
      : films.note || `Choose ${chosenModels.length ? "" : "a model"}${!chosenModels.length && !chosenFilms.length ? " and " : ""}${chosenFilms.length ? "" : "a film"} to begin.`;
  }
}

runButton.addEventListener("click", async () => {
  running = true;
  refresh();
  statusLine.textContent = "";
  await results.run(films.chosen(), models.chosen(), statusLine);
  running = false;
  outcome = statusLine.textContent;
  refresh();
});

models.onChange = refresh;
films.onChange = () => {
  outcome = "";
  refresh();
};
startTabs((name) => name === "compare" && comparison.load());
startUploads(models);
models.start(() => comparison.load());
refresh();
