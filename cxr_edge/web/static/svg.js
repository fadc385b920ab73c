// SVG in a few words.
export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function html(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// How wide a plot in `place` is, so that its letters keep their size on a phone.
export function plotWidth(place) {
  return Math.max(280, Math.min(540, place.clientWidth || 540));
}

// A frame with a grid; `x` and `y` map values to pixels.
export class Plot {
  constructor({ label, xName, yName, xTicks, yTicks, x, y, width }) {
    const height = Math.round(width * 0.76);
    this.left = 58;
    this.bottom = height - 46;
    this.right = width - 14;
    this.top = 12;
    this.x = (value) => this.left + (this.right - this.left) * x(value);
    this.y = (value) => this.bottom - (this.bottom - this.top) * y(value);
    this.svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    for (const [value, text] of xTicks) {
      const at = this.x(value);
      this.svg.append(
        element("line", { class: "grid", x1: at, x2: at, y1: this.top, y2: this.bottom }),
        element("text", { x: at, y: this.bottom + 18, "text-anchor": "middle" }, text),
      );
    }
    for (const [value, text] of yTicks) {
      const at = this.y(value);
      this.svg.append(
        element("line", { class: "grid", x1: this.left, x2: this.right, y1: at, y2: at }),
        element("text", { x: this.left - 8, y: at + 4, "text-anchor": "end" }, text),
      );
    }
    const middle = (this.top + this.bottom) / 2;
    this.svg.append(
      element("path", { class: "axis", fill: "none", d: `M${this.left} ${this.top}V${this.bottom}H${this.right}` }),
      element("text", { x: (this.left + this.right) / 2, y: height - 8, "text-anchor": "middle" }, xName),
      element("text", { x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }, yName),
    );
  }

  path(kind, points) {
    const steps = points.map(([x, y], index) => `${index ? "L" : "M"}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`);
    this.svg.append(element("path", { class: kind, d: steps.join("") }));
  }

  mark(kind, x, y, text, title) {
    const group = element("g", { class: kind });
    group.append(
      element("title", {}, title),
      element("circle", { class: "mark", cx: this.x(x), cy: this.y(y), r: 10 }),
      element("text", { class: "in-mark", x: this.x(x), y: this.y(y) + 4 }, text),
    );
    this.svg.append(group);
    return group;
  }
}
