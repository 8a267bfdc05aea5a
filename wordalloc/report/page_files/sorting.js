// Tables whose columns sort by their heads: first the best (or the alphabet), then the other way round.

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending"
        || (head.getAttribute("aria-sort") === null && head.dataset.first === "descending");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], descending ? -1 : 1));
      table.tBodies[0].append(...rows);
      announce(`sorted by ${head.textContent.trim()}, ${head.getAttribute("aria-sort")}`);
    });
  });
}

// By the number that a cell stands for, those without one last; else by its text.
function compare(a, b, direction) {
  const [first, second] = [a, b].map((cell) => cell.dataset.value);
  if (first === undefined || second === undefined) {
    if (first !== second) return first === undefined ? 1 : -1;
    return direction * a.textContent.localeCompare(b.textContent, "en");
  }
  return direction * (Number(first) - Number(second));
}
