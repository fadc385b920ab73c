// The cards of the models: which are chosen, and cards that come anew while models are being measured.
const POLL_MS = 2000;

export class Models {
  constructor(most) {
    this.most = most;
    this.onChange = () => {};
    this.place = document.getElementById("models");
    this.count = document.getElementById("model-count");
    this.place.addEventListener("change", (event) => this.#limit(event.target));
  }

  // Chooses the first bundle's int8, and its float twin where there is one, and watches the measuring.
  start(onMeasured) {
    this.onMeasured = onMeasured;
    const boxes = this.#boxes();
    const bundles = [...this.place.querySelectorAll(".bundle")];
    const both = bundles.find((bundle) => this.#find(bundle, "int8") && this.#find(bundle, "float32"));
    const first = both ? [this.#find(both, "int8"), this.#find(both, "float32")] : boxes.slice(0, 1);
    for (const box of first) box.checked = true;
    // On a phone the cards lie in a row.
    if (both) this.place.scrollLeft = both.offsetLeft - this.place.offsetLeft - 12;
    this.#changed();
    this.#watch();
  }

  chosen() {
    return this.#boxes().filter((box) => box.checked).map((box) => ({ key: box.value, title: box.dataset.title }));
  }

  // Fetches the cards again; what was chosen stays so.
  async reload(alsoChoose = []) {
    const answer = await fetch("/parts/models");
    if (!answer.ok) return;
    const html = await answer.text();
    if (html !== this.shown) {
      const chosen = new Set([...this.chosen().map((model) => model.key), ...alsoChoose]);
      const focused = document.activeElement?.value;
      this.place.innerHTML = html;
      this.shown = html;
      for (const box of this.#boxes()) {
        box.checked = chosen.has(box.value);
        if (box.value === focused) box.focus({ preventScroll: true });
      }
      this.#changed();
      this.onMeasured();
    }
  }

  #watch() {
    if (!this.place.querySelector("[data-pending]")) return;
    setTimeout(async () => {
      // The server may be away for a moment; the next turn asks again.
      await this.reload().catch(() => {});
      this.#watch();
    }, POLL_MS);
  }

  #find(bundle, recipe) {
    return bundle.querySelector(`input[data-quantization="${recipe}"]`);
  }

  #boxes() {
    return [...this.place.querySelectorAll("input[name=model]")];
  }

  #limit(box) {
    if (this.chosen().length > this.most) box.checked = false;
    this.#changed();
  }

  #changed() {
    const count = this.chosen().length;
    this.count.textContent = count >= this.most ? `${count} chosen, the most` : `${count} chosen`;
    this.onChange();
  }
}
