// The films: offered ones to choose from, and the person's own, which stay in this page until they are classified.
const PICTURES = ["image/png", "image/jpeg", "image/webp"];

export class Films {
  constructor(limitBytes) {
    this.limitBytes = limitBytes;
    this.onChange = () => {};
    this.note = "";
    this.own = new Map();
    this.number = 0;
    this.ownTiles = document.getElementById("own-tiles");
    this.#acceptFiles();
    document.getElementById("panel-films").addEventListener("click", (event) => this.#click(event));
    document.getElementById("forget").addEventListener("click", () => this.#forgetOwn());
    for (const image of document.querySelectorAll("#offered img")) {
      const fail = () => this.#showPlain(image.closest(".tile"), "no picture");
      if (image.complete && image.src && !image.naturalWidth) fail();
      image.addEventListener("error", fail);
    }
  }

  chosen() {
    return [...document.querySelectorAll(".tile[aria-pressed=true]")].map((tile) => ({
      key: tile.dataset.film,
      name: tile.dataset.name,
      file: this.own.get(tile.dataset.film),
    }));
  }

  #acceptFiles() {
    const input = document.getElementById("files");
    const drop = document.getElementById("drop");
    input.addEventListener("change", () => {
      this.#add(input.files);
      input.value = "";
    });
    // The whole page takes films, so that one dropped beside the field does not replace the page.
    let depth = 0;
    addEventListener("dragenter", () => drop.classList.toggle("over", ++depth > 0));
    addEventListener("dragleave", () => drop.classList.toggle("over", --depth > 0));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      drop.classList.remove("over");
      if (event.dataTransfer?.files.length) this.#add(event.dataTransfer.files);
    });
  }

  #add(files) {
    const large = [...files].filter((file) => file.size > this.limitBytes);
    for (const file of files) if (!large.includes(file)) this.#addTile(file);
    const limit = `${Math.round(this.limitBytes / 2 ** 20)} MiB`;
    this.note = large.length ? `Left out, over ${limit}: ${large.map((file) => file.name).join(", ")}` : "";
    document.getElementById("own").hidden = !this.own.size;
    this.onChange();
  }

  #addTile(file) {
    const key = `own-${++this.number}`;
    this.own.set(key, file);
    const tile = document.createElement("button");
    tile.className = "tile";
    tile.dataset.film = key;
    tile.dataset.name = file.name;
    tile.setAttribute("aria-pressed", "true");
    const picture = tile.appendChild(document.createElement("span"));
    picture.className = "picture";
    const image = picture.appendChild(new Image());
    image.alt = "";
    const name = tile.appendChild(document.createElement("span"));
    name.className = "tile-name";
    name.textContent = file.name;
    tile.title = file.name;
    const kind = /\.(dcm|dicom)$/i.test(file.name) ? "DICOM" : "film";
    if (PICTURES.includes(file.type)) {
      image.addEventListener("error", () => this.#showPlain(tile, "no picture"));
      image.src = URL.createObjectURL(file);
    } else {
      this.#showPlain(tile, kind);
    }
    this.ownTiles.append(tile);
  }

  #showPlain(tile, kind) {
    tile.classList.add("plain");
    tile.querySelector(".picture").dataset.kind = kind;
  }

  #click(event) {
    const tile = event.target.closest(".tile");
    const all = event.target.closest("[data-all]");
    if (tile) {
      tile.setAttribute("aria-pressed", String(tile.getAttribute("aria-pressed") !== "true"));
    } else if (all) {
      const tiles = [...all.closest(".shelf").querySelectorAll(".tile")];
      const on = tiles.some((item) => item.getAttribute("aria-pressed") !== "true");
      for (const item of tiles) item.setAttribute("aria-pressed", String(on));
      all.textContent = on ? "Choose none" : "Choose all";
    } else {
      return;
    }
    this.note = "";
    this.onChange();
  }

  #forgetOwn() {
    for (const image of this.ownTiles.querySelectorAll("img[src]")) URL.revokeObjectURL(image.src);
    this.own.clear();
    this.ownTiles.replaceChildren();
    document.getElementById("own").hidden = true;
    this.note = "";
    this.onChange();
    document.getElementById("files").focus();
  }
}
