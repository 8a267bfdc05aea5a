// A table as a heat map: the cell, row and column under the pointer or the arrow keys, and its words when it is near.

const NEAR = { rows: 8, columns: 4 }; // cells on each side of the one that is looked at closely
const LEGIBLE = { rows: 30, columns: 14 }; // with at most so many in sight, words stand in the cells
const LISTED = 24;
const DEEP = { light: 0.665, dark: 0.495 }; // from here on the colour of paper is legible on a cell, the ink up to here

class HeatMap {
  constructor(element, figure, page, { vocabulary, shape, cell }) {
    const [rows, columns] = shape;
    Object.assign(this, { element, figure, page, vocabulary, rows, columns, cell });
    this.sight = this.all();
    this.panel = document.getElementById(`${element.id}-panel`);
    this.wordAt = new Int32Array(rows * columns).fill(-1);
    cell.forEach((place, rank) => { this.wordAt[place] = rank; });
    this.masses = Array.from({ length: rows }, (_, row) => Float32Array.from({ length: columns }, (__, column) => {
      const rank = this.wordAt[row * columns + column];
      return rank < 0 ? NaN : Math.log10(Math.max(vocabulary.mass(rank), 10 ** figure.data[0].zmin));
    }));
    this.at = { row: Math.floor(cell[0] / columns), column: cell[0] % columns };
    onKeys(element, {
      ArrowRight: () => this.move(0, 1),
      ArrowLeft: () => this.move(0, -1),
      ArrowDown: () => this.move(1, 0),
      ArrowUp: () => this.move(-1, 0),
      PageDown: () => this.move(10, 0),
      PageUp: () => this.move(-10, 0),
      Home: () => this.select(this.at.row, 0),
      End: () => this.select(this.at.row, this.columns - 1),
      Enter: () => this.see(this.around()),
      Escape: () => this.see(this.all()),
    });
  }

  draw() {
    const { left, right, top, bottom } = this.sight;
    const { data, layout } = coloured(structuredClone(this.figure), this.page.colours);
    // Only the cells in sight, so that what is near is drawn at once.
    const near = this.masses.slice(top, bottom + 1).map((row) => row.subarray(left, right + 1));
    Object.assign(data[0], { z: near, x0: left, y0: top });
    layout.xaxis.range = [left - 0.5, right + 0.5];
    layout.yaxis.range = [bottom + 0.5, top - 0.5];
    layout.shapes = this.outlines();
    const drawn = this.element.data !== undefined;
    Plotly.react(this.element, [data[0], this.words(data[1])], layout, { ...CONFIG, doubleClick: false });
    if (drawn) return;
    this.describe(this.at.row, this.at.column);
    this.element.on("plotly_hover", ({ points }) => this.describe(points[0].y, points[0].x));
    this.element.on("plotly_unhover", () => this.describe(this.at.row, this.at.column));
    this.element.on("plotly_click", ({ points }) => this.select(points[0].y, points[0].x));
    this.element.on("plotly_doubleclick", () => this.see(this.all()));
    this.element.on("plotly_relayout", (change) => {
      if (Object.keys(change).some((name) => name.includes("axis"))) this.see(this.dragged());
    });
  }

  all() { return { left: 0, right: this.columns - 1, top: 0, bottom: this.rows - 1 }; }

  // The cells that a zoom by the pointer has left in sight.
  dragged() {
    const [left, right] = this.element.layout.xaxis.range.map(Math.round);
    const [bottom, top] = this.element.layout.yaxis.range.map(Math.round);
    const { right: last, bottom: lowest } = this.all();
    const across = (place) => Math.max(0, Math.min(last, place));
    const down = (place) => Math.max(0, Math.min(lowest, place));
    return { left: across(left), right: across(right), top: down(top), bottom: down(bottom) };
  }

  see(sight) {
    this.sight = sight;
    this.draw();
  }

  move(down, right) {
    const within = (place, count) => Math.max(0, Math.min(count - 1, place));
    this.select(within(this.at.row + down, this.rows), within(this.at.column + right, this.columns));
  }

  select(row, column) {
    this.at = { row, column };
    this.describe(row, column);
    announce(this.panel.dataset.spoken);
    const { left, right, top, bottom } = this.sight;
    if (row < top || row > bottom || column < left || column > right) this.see(this.around());
    else Plotly.relayout(this.element, { shapes: this.outlines() });
  }

  // The selected cell and those around it.
  around() {
    const from = (place, side, count) => Math.max(0, Math.min(place - side, count - 1 - 2 * side));
    const { row, column } = this.at;
    const [left, top] = [from(column, NEAR.columns, this.columns), from(row, NEAR.rows, this.rows)];
    const [right, bottom] = [left + 2 * NEAR.columns, top + 2 * NEAR.rows];
    return { left, top, right: Math.min(right, this.columns - 1), bottom: Math.min(bottom, this.rows - 1) };
  }

  // The words of the cells in sight, where there is room for them.
  words(trace) {
    const { left, right, top, bottom } = this.sight;
    const text = { ...trace, x: [], y: [], text: [], textfont: { ...trace.textfont, color: [] } };
    if (right - left > LEGIBLE.columns || bottom - top > LEGIBLE.rows) return text;
    const room = Math.max(4, Math.floor(this.element.clientWidth / (right - left + 1) / 10));
    const { zmin, zmax } = this.figure.data[0];
    for (let row = top; row <= bottom; row += 1) {
      for (let column = left; column <= right; column += 1) {
        const rank = this.wordAt[row * this.columns + column];
        if (rank < 0) continue;
        text.x.push(column);
        text.y.push(row);
        text.text.push(plotted(this.vocabulary.word(rank), room));
        const deep = (this.masses[row][column] - zmin) / (zmax - zmin) > (dark.matches ? DEEP.dark : DEEP.light);
        text.textfont.color.push(coloured(this.page.inks[deep ? 1 : 0], this.page.colours));
      }
    }
    return text;
  }

  outlines() {
    const { row, column } = this.at;
    const box = (x0, x1, y0, y1, width) => ({
      type: "rect", x0: x0 - 0.5, x1: x1 + 0.5, y0: y0 - 0.5, y1: y1 + 0.5,
      line: { color: coloured(this.page.marked, this.page.colours), width },
    });
    return [
      box(0, this.columns - 1, row, row, 1), box(column, column, 0, this.rows - 1, 1), box(column, column, row, row, 3),
    ];
  }

  describe(row, column) {
    const rank = this.wordAt[row * this.columns + column];
    const line = (length, cellAt) => {
      const ranks = Array.from({ length }, (_, place) => this.wordAt[cellAt(place)]).filter((found) => found >= 0);
      ranks.sort((a, b) => a - b);
      const mass = ranks.reduce((sum, found) => sum + this.vocabulary.mass(found), 0);
      const listed = ranks.slice(0, LISTED).map((found) => shown(this.vocabulary.word(found), 24));
      return [`${words(ranks.length)}, ${share(mass)}`, inLine(listed, ranks.length > LISTED ? " …" : "")];
    };
    const [rowTotals, rowWords] = line(this.columns, (place) => row * this.columns + place);
    const [columnTotals, columnWords] = line(this.rows, (place) => place * this.columns + column);
    const word = rank < 0 ? "empty" : this.vocabulary.described(rank);
    this.panel.dataset.spoken = `row ${row}, column ${column}: ${word}`;
    this.panel.replaceChildren(
      ...(rank < 0 ? [part("h3", "empty cell")] : [
        part("h3", shown(this.vocabulary.word(rank))),
        part("p", `rank ${whole(rank + 1)}, ${share(this.vocabulary.mass(rank))} of the tokens`),
      ]),
      part("h4", `Row ${row}: ${rowTotals}`), rowWords,
      part("h4", `Column ${column}: ${columnTotals}`), columnWords,
    );
  }

  find(rank) {
    const cell = this.cell[rank];
    return `row ${Math.floor(cell / this.columns)}, column ${cell % this.columns}`;
  }

  mark(rank) { this.select(Math.floor(this.cell[rank] / this.columns), this.cell[rank] % this.columns); }
}
