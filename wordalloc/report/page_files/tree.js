// A tree as icicles: some levels below one node at a time, drawn from arrays of the whole tree, opened on demand.
//
// An inner node is its number, from the root down and level by level; the word of rank r is -1 - r, as in Python.

const MOST_CHILDREN = 40; // of a node; the others wait behind one sector
const MOST_SECTORS = 120;
const LEVEL_WIDTH = 95; // pixels, at least

class TreeChart {
  constructor(element, figure, page, { vocabulary, branching, children }) {
    Object.assign(this, { element, figure, page, vocabulary, children });
    this.panel = document.getElementById(`${element.id}-panel`);
    this.crumbs = document.getElementById(`${element.id}-crumbs`);
    this.starts = new Int32Array(branching.length + 1);
    branching.forEach((count, node) => { this.starts[node + 1] = this.starts[node] + count; });
    this.settle(branching.length);
    this.view = { node: branching.length ? 0 : -1, skip: 0 };
    this.selected = this.key(this.view);
    onKeys(element, {
      ArrowRight: () => this.step("child"),
      ArrowLeft: () => this.step("parent"),
      ArrowDown: () => this.step("next"),
      ArrowUp: () => this.step("previous"),
      Home: () => this.step("first"),
      End: () => this.step("last"),
      Enter: () => this.open(this.selected),
      Escape: () => this.back(),
    });
  }

  // Children are listed as 0 for the next inner node, and rank + 1 for a word; parents come before their children.
  settle(nodes) {
    const { children, starts, vocabulary } = this;
    this.parent = new Int32Array(nodes).fill(-1);
    this.placeOfNode = new Int32Array(nodes);
    this.placeOfWord = new Int32Array(vocabulary.size);
    this.sizes = new Int32Array(nodes);
    this.tokens = new Float64Array(nodes);
    this.first = new Int32Array(nodes).fill(vocabulary.size);
    this.parentOfWord = new Int32Array(vocabulary.size).fill(-1);
    let inner = 0;
    for (let node = 0; node < nodes; node += 1) {
      for (let place = starts[node]; place < starts[node + 1]; place += 1) {
        if (children[place] === 0) {
          inner += 1;
          children[place] = inner;
          this.parent[inner] = node;
          this.placeOfNode[inner] = place;
        } else {
          const rank = children[place] - 1;
          children[place] = -1 - rank;
          this.parentOfWord[rank] = node;
          this.placeOfWord[rank] = place;
        }
      }
    }
    for (let node = nodes - 1; node >= 0; node -= 1) {
      for (let place = starts[node]; place < starts[node + 1]; place += 1) {
        const below = children[place];
        this.sizes[node] += this.size(below);
        this.tokens[node] += below < 0 ? vocabulary.counts[-1 - below] : this.tokens[below];
        this.first[node] = Math.min(this.first[node], this.firstRank(below));
      }
    }
  }

  size(node) { return node < 0 ? 1 : this.sizes[node]; }

  firstRank(node) { return node < 0 ? -1 - node : this.first[node]; }

  mass(node) {
    return node < 0 ? this.vocabulary.mass(-1 - node) : this.tokens[node] / Math.max(this.vocabulary.total, 1);
  }

  // What a sector's length stands for: tokens, or words where none was counted.
  weight(node) { return this.vocabulary.total ? this.mass(node) : this.size(node); }

  above(node) { return node < 0 ? this.parentOfWord[-1 - node] : this.parent[node]; }

  digit(node) {
    const place = node < 0 ? this.placeOfWord[-1 - node] : this.placeOfNode[node];
    return place - this.starts[this.above(node)];
  }

  // The way from the root: all nodes above a node, and itself.
  way(node) {
    const nodes = [node];
    while (this.above(nodes[0]) >= 0) nodes.unshift(this.above(nodes[0]));
    return nodes;
  }

  code(node) { return this.way(node).slice(1).map((step) => this.digit(step)); }

  spokenCode(node) {
    const digits = this.code(node);
    const text = digits.join(digits.some((digit) => digit > 9) ? "." : "");
    return text.length > 60 ? `${text.slice(0, 40)}…${text.slice(-16)}` : text;
  }

  // The children of a node, in the order of digits; of many, the heaviest first, and those from the `skip`-th on.
  below({ node, skip }) {
    if (node < 0) return [];
    const all = Array.from(this.children.subarray(this.starts[node], this.starts[node + 1]));
    if (all.length <= MOST_CHILDREN) return all.map((child) => ({ node: child, skip: 0 }));
    all.sort((a, b) => this.weight(b) - this.weight(a) || this.firstRank(a) - this.firstRank(b));
    const taken = all.slice(skip, skip + MOST_CHILDREN).map((child) => ({ node: child, skip: 0 }));
    const rest = all.slice(skip + MOST_CHILDREN);
    if (!rest.length) return taken;
    const sum = (of) => rest.reduce((total, child) => total + of(child), 0);
    const totals = { weight: sum((n) => this.weight(n)), mass: sum((n) => this.mass(n)), size: sum((n) => this.size(n)) };
    return [...taken, { node, skip: skip + MOST_CHILDREN, totals }];
  }

  key({ node, skip }) { return `${node}:${skip}`; }

  // The sectors to draw: the heaviest are opened first, but before them those on the way to the selected one.
  sectors() {
    const root = { ...this.view, depth: 0, parent: "", key: this.key(this.view) };
    const drawn = [root];
    const wanted = new Set(this.way(Number(this.selected.split(":")[0])));
    const waiting = [root];
    const levels = Math.max(4, Math.min(5, Math.floor(this.element.clientWidth / LEVEL_WIDTH)));
    const urgency = (sector) => (sector === root ? 4 : wanted.has(sector.node) && !sector.totals ? 3 : this.weight(sector.node));
    while (waiting.length && drawn.length < MOST_SECTORS) {
      waiting.sort((a, b) => urgency(a) - urgency(b));
      const next = waiting.pop();
      next.children = this.below(next).map((child) => ({
        ...child, depth: next.depth + 1, parent: next.key, key: this.key(child),
      }));
      drawn.push(...next.children);
      waiting.push(...next.children.filter((child) => child.node >= 0 && !child.totals && child.depth < levels));
    }
    return drawn;
  }

  draw() {
    const { data, layout } = coloured(structuredClone(this.figure), this.page.colours);
    const sectors = this.sectors();
    this.drawn = new Map(sectors.map((sector) => [sector.key, sector]));
    if (!this.drawn.has(this.selected)) this.selected = sectors[0].key;
    const inks = coloured(this.page.sectors, this.page.colours);
    const mark = coloured(this.page.marked, this.page.colours);
    const weights = new Map();
    for (const sector of [...sectors].reverse()) { // so that the sum of children is exactly their parent's value
      const own = sector.children ? sector.children.reduce((sum, child) => sum + weights.get(child.key), 0)
        : sector.totals?.weight ?? this.weight(sector.node);
      weights.set(sector.key, own);
    }
    const levels = 1 + Math.max(...sectors.map((sector) => sector.depth));
    const room = Math.max(6, Math.floor(this.element.clientWidth / levels / 7));
    Object.assign(data[0], {
      ids: sectors.map((sector) => sector.key),
      parents: sectors.map((sector) => sector.parent),
      labels: sectors.map((sector) => this.label(sector, room)),
      values: sectors.map((sector) => weights.get(sector.key)),
    });
    data[0].marker.colors = sectors.map((sector) => (
      sector.totals ? inks.rest : sector.node < 0 ? inks.word : inks.levels[Math.min(sector.depth, inks.levels.length - 1)]
    ));
    const line = data[0].marker.line;
    line.color = sectors.map((sector) => (sector.key === this.selected ? mark : line.color));
    line.width = sectors.map((sector) => (sector.key === this.selected ? 3 : 1));
    const drawn = this.element.data !== undefined;
    Plotly.react(this.element, data, layout, CONFIG);
    this.showCrumbs();
    if (drawn) return;
    this.element.on("plotly_icicleclick", ({ points }) => {
      this.open(points[0].id);
      return false;
    });
    this.element.on("plotly_hover", ({ points }) => this.describe(this.drawn.get(points[0].id)));
    this.element.on("plotly_unhover", () => this.describe(this.drawn.get(this.selected)));
    this.describe(sectors[0]);
  }

  // What stands in a sector that has room for so many letters.
  label(sector, room) {
    if (sector.totals) return plotted(`${whole(sector.totals.size)} more`, room);
    if (sector.node < 0) return plotted(this.vocabulary.word(-1 - sector.node), room);
    const digit = this.above(sector.node) < 0 ? "root" : `${this.digit(sector.node)}`;
    return `${digit} · ${plotted(this.vocabulary.word(this.first[sector.node]), Math.max(4, room - digit.length - 5))} …`;
  }

  // Go to a sector beside the selected one.
  step(where) {
    const here = this.drawn.get(this.selected);
    const beside = this.drawn.get(here.parent)?.children ?? [here];
    const place = beside.findIndex((sector) => sector.key === here.key);
    const target = {
      child: () => here.children?.[0],
      parent: () => this.drawn.get(here.parent),
      next: () => beside[place + 1],
      previous: () => beside[place - 1],
      first: () => beside[0],
      last: () => beside.at(-1),
    }[where]();
    if (target) this.select(target.key);
  }

  select(key) {
    this.selected = key;
    this.draw();
    const sector = this.drawn.get(key) ?? this.drawn.get(this.selected);
    this.describe(sector);
    announce(this.panel.dataset.spoken);
  }

  // Make a sector the one where the view begins. A word has nothing below it and is only selected.
  open(key) {
    const sector = this.drawn.get(key);
    if (sector.node >= 0) this.view = { node: sector.node, skip: sector.skip };
    this.select(key);
  }

  // Begin the view one step higher; at the root, select the root.
  back() {
    const { node, skip } = this.view;
    const from = this.key(this.view);
    if (skip) this.view = { node, skip: Math.max(0, skip - MOST_CHILDREN) };
    else if (this.above(node) >= 0) this.view = this.pageOf(node);
    this.select(from);
  }

  // The page of its parent's children that a node is on.
  pageOf(node) {
    const view = { node: this.above(node), skip: 0 };
    let found = this.below(view);
    while (!found.some((child) => child.node === node)) {
      view.skip += MOST_CHILDREN;
      found = this.below(view);
    }
    return view;
  }

  describe(sector) {
    const { node, totals } = sector;
    const mass = share(totals?.mass ?? this.mass(node));
    const size = totals?.size ?? this.size(node);
    const listed = this.wordsBelow(sector).map((rank) => shown(this.vocabulary.word(rank), 24)).join(" ");
    const title = totals ? `${whole(size)} more words` : node < 0 ? shown(this.vocabulary.word(-1 - node))
      : this.above(node) < 0 ? "root" : `code ${this.spokenCode(node)}`;
    const about = node < 0 ? `rank ${whole(-node)}, ${mass} of the tokens` : `${words(size)}, ${mass} of the tokens`;
    this.panel.dataset.spoken = `${title}, ${about}${node < 0 ? "" : `: ${listed}`}`;
    const below = node < 0 ? [part("h4", "Code"), part("p", this.spokenCode(node) || "empty")]
      : [part("h4", "Most frequent below"), part("p", listed)];
    this.panel.replaceChildren(part("h3", title), part("p", about), ...below);
  }

  // The most frequent words below a sector: best first, by the most frequent word of each node.
  wordsBelow(sector, most = 12) {
    const waiting = sector.node < 0 ? [sector.node]
      : (sector.totals ? this.below(sector).filter((child) => !child.totals).map((child) => child.node)
        : Array.from(this.children.subarray(this.starts[sector.node], this.starts[sector.node + 1])));
    const found = [];
    while (waiting.length && found.length < most) {
      let best = 0;
      for (let place = 1; place < waiting.length; place += 1) {
        if (this.firstRank(waiting[place]) < this.firstRank(waiting[best])) best = place;
      }
      const [node] = waiting.splice(best, 1);
      if (node < 0) found.push(-1 - node);
      else waiting.push(...this.children.subarray(this.starts[node], this.starts[node + 1]));
    }
    return found;
  }

  showCrumbs() {
    const steps = this.way(this.view.node);
    const few = steps.length > 12 ? [steps[0], ...steps.slice(-10)] : steps;
    this.crumbs.replaceChildren(...few.map((node, place) => {
      const item = document.createElement("li");
      const hidden = steps.length > few.length && place === 1 ? "… " : "";
      const button = part("button", hidden + (this.above(node) < 0 ? "root" : `${this.digit(node)}`));
      button.className = "plain";
      button.setAttribute("aria-label", `back to ${this.above(node) < 0 ? "the root" : `code ${this.spokenCode(node)}`}`);
      if (node === this.view.node) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => {
        this.view = { node, skip: 0 };
        this.element.focus();
        this.select(this.key(this.view));
      });
      item.append(button);
      return item;
    }));
  }

  find(rank) { return `code ${this.spokenCode(-1 - rank) || "empty"}`; }

  // Show a word with a few levels above it.
  mark(rank) {
    const word = -1 - rank;
    let top = word;
    for (let level = 0; level < 4 && this.above(top) >= 0; level += 1) {
      const many = this.starts[this.above(top) + 1] - this.starts[this.above(top)] > MOST_CHILDREN;
      if (many && top !== word) break;
      top = this.above(top);
      if (many) break;
    }
    if (top === this.above(word) && top >= 0) this.view = this.pageOf(word);
    else this.view = { node: top, skip: 0 };
    this.select(this.key({ node: word, skip: 0 }));
  }
}
