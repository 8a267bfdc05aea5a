// Puts it all together: what the page holds, then Plotly, then every chart; and all of them again in another theme or width.

const page = JSON.parse(document.getElementById("page").textContent);
const arrays = await gunzip(document.getElementById("arrays").textContent);
const vocabularies = page.vocabularies.map((packed) => new Vocabulary(arrays, packed));

// Inserted as text: the policy of the page names its hash.
const library = document.createElement("script");
library.textContent = new TextDecoder().decode(await gunzip(document.getElementById("plotly").textContent));
document.head.append(library);

const makers = {
  points: (element, { figure }) => new PointChart(element, figure, page),
  zipf: (element, { figure, vocabulary }) => {
    const chart = new PointChart(element, figure, page);
    const held = vocabularies[vocabulary];
    chart.find = (rank) => `rank ${whole(rank + 1)}, count ${whole(held.counts[rank])}`;
    chart.mark = (rank) => held.counts[rank] && chart.markAt(rank + 1, held.counts[rank], plotted(held.word(rank)));
    return chart;
  },
  classes: (element, { figure, word_class: packed, drawn }) => {
    const chart = new PointChart(element, figure, page);
    const wordClass = unpack(arrays, packed);
    chart.find = (rank) => `class ${wordClass[rank]}`;
    chart.mark = (rank) => {
      const { x, y } = figure.data[0];
      const place = drawn.indexOf(wordClass[rank]);
      if (place >= 0) chart.markAt(x[place], y[place], `class ${wordClass[rank]}`);
    };
    return chart;
  },
  table: (element, { figure, vocabulary, shape, cell }) => (
    new HeatMap(element, figure, page, { vocabulary: vocabularies[vocabulary], shape, cell: unpack(arrays, cell) })
  ),
  tree: (element, { figure, vocabulary, branching, children }) => (
    new TreeChart(element, figure, page, new Tree({
      vocabulary: vocabularies[vocabulary],
      branching: unpack(arrays, branching),
      children: unpack(arrays, children),
    }))
  ),
};

// The bands of cutoffs are rows of a plain table.
function bandsTable({ section, bounds: packed }) {
  const bounds = unpack(arrays, packed);
  const rows = [...document.querySelectorAll(`#${section} table.bands tbody tr`)];
  const band = (rank) => bounds.findLastIndex((bound) => bound <= rank);
  return {
    find: (rank) => (band(rank) ? `tail cluster ${band(rank)}` : "head"),
    mark: (rank) => rows[band(rank)]?.classList.add("found"),
    unmark: () => rows.forEach((row) => row.classList.remove("found")),
  };
}

const charts = new Map();
for (const described of page.charts) {
  const element = document.getElementById(described.id);
  element.replaceChildren();
  charts.set(described.id, makers[described.kind](element, described));
}
for (const chart of charts.values()) chart.draw();
for (const asked of [dark, narrow]) {
  asked.addEventListener("change", () => { for (const chart of charts.values()) chart.draw(); });
}

const places = page.places.map((place) => ({
  ...place,
  vocabulary: vocabularies[place.vocabulary],
  chart: place.chart ? charts.get(place.chart) : bandsTable(place),
}));
if (vocabularies.length) new Search(vocabularies, places);
for (const fieldset of document.querySelectorAll("fieldset[data-charts]")) {
  switchAxes(fieldset, fieldset.dataset.charts.split(" ").map((id) => charts.get(id)));
}
document.querySelectorAll("table.sortable").forEach(makeSortable);
document.documentElement.dataset.ready = "true";
