// One search for the page: words of all vocabularies, and where each stands in everything that is shown.

const SUGGESTED = 8;

class Search {
  constructor(vocabularies, places) {
    const several = vocabularies.length > 1; // then a word has several ranks, which are told with their sections alone
    Object.assign(this, { vocabularies, places, several, active: -1, suggestions: [] });
    this.input = document.getElementById("search");
    this.list = document.getElementById("suggestions");
    this.answer = document.getElementById("answer");
    this.input.disabled = false;
    const bar = this.answer.parentElement; // what it covers is no place to scroll to
    new ResizeObserver(() => {
      document.documentElement.style.scrollPaddingTop = `${bar.offsetHeight + 12}px`;
    }).observe(bar);
    this.input.addEventListener("input", () => this.suggest());
    this.input.addEventListener("blur", () => this.close());
    onKeys(this.input, {
      ArrowDown: () => this.choose(1),
      ArrowUp: () => this.choose(-1),
      Enter: () => this.find(this.suggestions[this.active]?.word ?? this.input.value),
      Escape: () => { this.close(); this.input.value = ""; this.clear(); },
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        this.input.focus();
      }
    });
  }

  suggest() {
    const letters = this.input.value;
    const found = new Map();
    for (const vocabulary of letters ? this.vocabularies : []) {
      const exact = vocabulary.rankOf(letters);
      for (const rank of [...(exact < 0 ? [] : [exact]), ...vocabulary.beginningWith(letters, SUGGESTED)]) {
        const word = vocabulary.word(rank);
        if (!found.has(word)) found.set(word, { word, rank });
      }
    }
    this.suggestions = [...found.values()].slice(0, SUGGESTED);
    this.active = -1;
    this.list.replaceChildren(...this.suggestions.map(({ word, rank }, place) => {
      const option = document.createElement("li");
      option.id = `suggestion-${place}`;
      option.setAttribute("role", "option");
      option.append(part("span", shown(word)), part("span", this.several ? "" : `rank ${whole(rank + 1)}`));
      option.addEventListener("mousedown", (event) => { // before the input loses the focus
        event.preventDefault();
        this.find(word);
      });
      return option;
    }));
    this.list.hidden = !this.suggestions.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  choose(step) {
    const count = this.suggestions.length;
    if (!count) return;
    this.active = (this.active + step + count) % count;
    [...this.list.children].forEach((option, place) => {
      option.setAttribute("aria-selected", String(place === this.active));
    });
    this.input.setAttribute("aria-activedescendant", `suggestion-${this.active}`);
  }

  close() {
    this.suggestions = [];
    this.active = -1;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  clear() {
    this.answer.hidden = true;
    for (const place of this.places) {
      document.getElementById(place.section)?.classList.remove("found");
      place.chart.unmark?.();
    }
  }

  // What is said of a word at once, by its rank in each vocabulary, or -1.
  about(ranks) {
    const count = ranks.filter((rank) => rank >= 0).length;
    if (!count) return "is in none of the vocabularies";
    if (this.several) return `is in ${count} of ${ranks.length} vocabularies`;
    return `rank ${whole(ranks[0] + 1)}, ${share(this.vocabularies[0].mass(ranks[0]))} of the tokens`;
  }

  find(word) {
    this.close();
    this.clear();
    if (!word) return;
    this.input.value = word;
    const told = [];
    const known = this.vocabularies.map((vocabulary) => vocabulary.rankOf(word));
    for (const { chart, section, title, vocabulary } of this.places) {
      const rank = known[this.vocabularies.indexOf(vocabulary)];
      if (rank < 0) continue;
      document.getElementById(section).classList.add("found");
      const link = part("a", chart.find(rank));
      link.href = `#${section}`;
      const entry = part("span", `${title}: `);
      entry.append(link);
      told.push(entry);
      chart.mark(rank);
    }
    const heading = part("strong", shown(word));
    const about = this.about(known);
    this.answer.replaceChildren(heading, part("span", about), ...told);
    this.answer.hidden = false;
    announce(`${shown(word)}: ${about}; ${told.map((entry) => entry.textContent).join("; ")}`);
  }
}
