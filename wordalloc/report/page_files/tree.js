// A tree: what hangs below each node, and the way to it, from arrays of the whole tree.
//
// An inner node is its number, from the root down and level by level; the word of rank r is -1 - r, as in Python.

const MOST_CHILDREN = 40; // of a node in one view; the others wait behind one sector

class Tree {
  constructor({ vocabulary, branching, children }) {
    Object.assign(this, { vocabulary, children, sorted: new Map() });
    this.starts = new Int32Array(branching.length + 1);
    branching.forEach((count, node) => { this.starts[node + 1] = this.starts[node] + count; });
    this.settle(branching.length);
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

  get root() { return this.starts.length > 1 ? 0 : -1; }

  childrenOf(node) { return this.children.subarray(this.starts[node], this.starts[node + 1]); }

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
    while (this.above(nodes.at(-1)) >= 0) nodes.push(this.above(nodes.at(-1)));
    return nodes.reverse();
  }

  code(node) { return this.way(node).slice(1).map((step) => this.digit(step)); }

  spokenCode(node) {
    const digits = this.code(node);
    const text = digits.join(digits.some((digit) => digit > 9) ? "." : "");
    return text.length > 60 ? `${text.slice(0, 40)}…${text.slice(-16)}` : text;
  }

  // The children of a node, in the order of digits; where they are many, the heaviest first.
  ordered(node) {
    const children = this.childrenOf(node);
    if (children.length <= MOST_CHILDREN) return children;
    if (!this.sorted.has(node)) {
      const heavier = (a, b) => this.weight(b) - this.weight(a) || this.firstRank(a) - this.firstRank(b);
      this.sorted.set(node, children.slice().sort(heavier));
    }
    return this.sorted.get(node);
  }

  // What a view shows of the children of a node, from the `skip`-th on; one more stands for all that come after.
  below({ node, skip }) {
    if (node < 0) return [];
    const taken = this.ordered(node).subarray(skip, skip + MOST_CHILDREN);
    const rest = this.ordered(node).subarray(skip + MOST_CHILDREN);
    const shown = Array.from(taken, (child) => ({ node: child, skip: 0 }));
    if (!rest.length) return shown;
    const sum = (of) => rest.reduce((total, child) => total + of(child), 0);
    const totals = {
      weight: sum((child) => this.weight(child)),
      mass: sum((child) => this.mass(child)),
      size: sum((child) => this.size(child)),
    };
    return [...shown, { node, skip: skip + MOST_CHILDREN, totals }];
  }

  // The page of its parent's children that a node is on.
  pageOf(node) {
    const place = this.ordered(this.above(node)).indexOf(node);
    return { node: this.above(node), skip: place - (place % MOST_CHILDREN) };
  }

  // The most frequent words below a sector: best first, by the most frequent word of each node.
  wordsBelow({ node, skip }, most = 12) {
    if (node < 0) return [-1 - node];
    const waiting = Array.from(this.ordered(node).subarray(skip));
    const found = [];
    while (waiting.length && found.length < most) {
      let best = 0;
      for (let place = 1; place < waiting.length; place += 1) {
        if (this.firstRank(waiting[place]) < this.firstRank(waiting[best])) best = place;
      }
      const [next] = waiting.splice(best, 1);
      if (next < 0) found.push(-1 - next);
      else for (const child of this.childrenOf(next)) waiting.push(child);
    }
    return found;
  }
}
