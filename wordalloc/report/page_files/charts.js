// Drawing with Plotly: colours of the two themes, and charts whose points can be walked through by arrow keys.

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 480px)");
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };

const TEXTS = ["name", "text", "customdata"]; // hold words and names, one of which may be called like a colour

// A figure comes in the colours of the light theme; the dark one is a translation of every colour.
function coloured(value, translation) {
  if (typeof value === "string") return dark.matches && Object.hasOwn(translation, value) ? translation[value] : value;
  if (Array.isArray(value)) return value.map((item) => coloured(item, translation));
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => (
      [name, TEXTS.includes(name) ? item : coloured(item, translation)]
    )));
  }
  return value;
}

function announce(text) { document.getElementById("live").textContent = text; }

function part(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

// Words side by side, each of them written in its own direction.
function inLine(texts, end = "") {
  const paragraph = document.createElement("p");
  texts.forEach((text, place) => paragraph.append(place ? " " : "", part("bdi", text)));
  paragraph.append(end);
  return paragraph;
}

// The text of a label of Plotly, as words.
function spoken(label) {
  const letters = Object.fromEntries(Object.entries(ENTITIES).map(([letter, entity]) => [entity, letter]));
  const plain = label.replace(/<br>/g, "; ").replace(/<[^>]*>|[\u2068\u2069]/g, "");
  return plain.replace(/&[^;]*;/g, (entity) => letters[entity] ?? entity);
}

function onKeys(element, actions) {
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in actions)) return;
    if (actions[event.key]() !== false) event.preventDefault();
  });
}

// Every other number of an axis that has them written out: so many have no room side by side on a narrow screen.
function thinOut(axis) {
  for (const list of ["tickvals", "ticktext"]) axis[list] &&= axis[list].filter((_, place) => place % 2 === 0);
}

// A chart of points and lines: arrows left and right go along a line, up and down to the next one.
class PointChart {
  constructor(element, figure, page) {
    Object.assign(this, { element, figure, page, trace: 0, point: -1, markedPoint: null });
    onKeys(element, {
      ArrowRight: () => this.move(0, 1),
      ArrowLeft: () => this.move(0, -1),
      ArrowDown: () => this.move(1, 0),
      ArrowUp: () => this.move(-1, 0),
      Home: () => this.show(0),
      End: () => this.show(Infinity),
      Escape: () => { this.point = -1; Plotly.Fx.unhover(this.element); },
    });
    element.addEventListener("blur", () => Plotly.Fx.unhover(this.element));
  }

  draw() {
    const { data, layout } = coloured(structuredClone(this.figure), this.page.colours);
    this.walked = data.flatMap((trace, place) => (trace.customdata?.length ? [place] : []));
    if (this.markedPoint) data.push({ ...coloured(this.page.mark, this.page.colours), ...this.markedPoint });
    this.changed?.(data, layout);
    if (narrow.matches) thinOut(layout.xaxis);
    Plotly.react(this.element, data, layout, CONFIG);
  }

  move(traces, points) {
    const count = this.walked.length;
    this.trace = (this.trace + traces + count) % count;
    this.show(this.point < 0 ? 0 : this.point + points);
  }

  show(point) {
    if (!this.walked.length) return;
    const curveNumber = this.walked[this.trace];
    const { customdata, name } = this.element.data[curveNumber];
    this.point = Math.max(0, Math.min(customdata.length - 1, point));
    Plotly.Fx.hover(this.element, [{ curveNumber, pointNumber: this.point }]);
    const [line, text] = [spoken(name ?? ""), spoken(customdata[this.point])];
    announce(this.walked.length > 1 && line && !text.startsWith(line) ? `${line}: ${text}` : text);
  }

  // Puts the mark of a found word at a place.
  markAt(x, y, text) {
    this.markedPoint = { x: [x], y: [y], text: [text] };
    this.draw();
  }

  unmark() {
    if (!this.markedPoint) return;
    this.markedPoint = null;
    this.draw();
  }
}

// Curves over tokens or seconds of training: what is chosen in the fieldset beside them.
function switchAxes(fieldset, charts) {
  fieldset.addEventListener("change", (event) => {
    for (const chart of charts) {
      chart.changed = (data, layout) => {
        for (const trace of data) trace.x = trace.meta[event.target.value];
        layout.xaxis.title.text = layout.meta[event.target.value];
      };
      chart.draw();
    }
  });
}
