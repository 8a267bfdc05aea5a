// A tree as icicles: some levels below one node at a time, opened on demand.

const MOST_SECTORS = 120;
const LEVEL_WIDTH = 95; // pixels, at least

class TreeChart {
  constructor(element, figure, page, tree) {
    Object.assign(this, { element, figure, page, tree });
    this.panel = document.getElementById(`${element.id}-panel`);
    this.crumbs = document.getElementById(`${element.id}-crumbs`);
    this.view = { node: tree.root, skip: 0 };
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

  key({ node, skip }) { return `${node}:${skip}`; }

  // The sectors to draw: the heaviest are opened first, but before them those on the way to the selected one.
  sectors() {
    const root = { ...this.view, depth: 0, parent: "", key: this.key(this.view) };
    const drawn = [root];
    const wanted = new Set(this.tree.way(Number(this.selected.split(":")[0])));
    const waiting = [root];
    const levels = Math.max(4, Math.min(5, Math.floor(this.element.clientWidth / LEVEL_WIDTH)));
    const urgency = (sector) => (sector === root || wanted.has(sector.node) ? Infinity : this.tree.weight(sector.node));
    while (waiting.length && drawn.length < MOST_SECTORS) {
      waiting.sort((a, b) => urgency(a) - urgency(b));
      const next = waiting.pop();
      next.children = this.tree.below(next).map((child) => ({
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
        : sector.totals?.weight ?? this.tree.weight(sector.node);
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
    data[0].marker.colors = sectors.map(({ totals, node, depth }) => (
      totals ? inks.rest : node < 0 ? inks.word : inks.levels[Math.min(depth, inks.levels.length - 1)]
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
    if (sector.node < 0) return plotted(this.tree.vocabulary.word(-1 - sector.node), room);
    const digit = this.tree.above(sector.node) < 0 ? "root" : `${this.tree.digit(sector.node)}`;
    const word = this.tree.vocabulary.word(this.tree.first[sector.node]);
    return `${digit} · ${plotted(word, Math.max(4, room - digit.length - 5))} …`;
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
    else if (this.tree.above(node) >= 0) this.view = this.tree.pageOf(node);
    this.select(from);
  }

  describe(sector) {
    const { node, totals } = sector;
    const mass = share(totals?.mass ?? this.tree.mass(node));
    const size = totals?.size ?? this.tree.size(node);
    const listed = this.tree.wordsBelow(sector).map((rank) => shown(this.tree.vocabulary.word(rank), 24));
    const title = totals ? `${whole(size)} more words` : node < 0 ? shown(this.tree.vocabulary.word(-1 - node))
      : this.tree.above(node) < 0 ? "root" : `code ${this.tree.spokenCode(node)}`;
    const about = `${totals ? "" : node < 0 ? `rank ${whole(-node)}, ` : `${words(size)}, `}${mass} of the tokens`;
    this.panel.dataset.spoken = `${title}, ${about}${node < 0 ? "" : `: ${listed.join(" ")}`}`;
    const below = node < 0 ? [part("h4", "Code"), part("p", this.tree.spokenCode(node) || "empty")]
      : [part("h4", "Most frequent below"), inLine(listed)];
    this.panel.replaceChildren(part("h3", title), part("p", about), ...below);
  }

  showCrumbs() {
    const steps = this.tree.way(this.view.node);
    const few = steps.length > 12 ? [steps[0], ...steps.slice(-10)] : steps;
    this.crumbs.replaceChildren(...few.map((node, place) => {
      const item = document.createElement("li");
      const hidden = steps.length > few.length && place === 1 ? "… " : "";
      const button = part("button", hidden + (this.tree.above(node) < 0 ? "root" : `${this.tree.digit(node)}`));
      button.className = "plain";
      const where = this.tree.above(node) < 0 ? "the root" : `code ${this.tree.spokenCode(node)}`;
      button.setAttribute("aria-label", `back to ${where}`);
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

  find(rank) { return `code ${this.tree.spokenCode(-1 - rank) || "empty"}`; }

  // Show a word with a few levels above it.
  mark(rank) {
    const word = -1 - rank;
    let top = word;
    for (let level = 0; level < 4 && this.tree.above(top) >= 0; level += 1) {
      const many = this.tree.childrenOf(this.tree.above(top)).length > MOST_CHILDREN;
      if (many && top !== word) break;
      top = this.tree.above(top);
      if (many) break;
    }
    if (top === this.tree.above(word) && top >= 0) this.view = this.tree.pageOf(word);
    else this.view = { node: top, skip: 0 };
    this.select(this.key({ node: word, skip: 0 }));
  }
}
