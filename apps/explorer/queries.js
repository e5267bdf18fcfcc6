// The list of queries: one page of rows; arrow keys move through it.

const lists = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let list = lists.get(root);
  if (!list) {
    list = new List(root);
    lists.set(root, list);
  }
  list.update(component);
  return () => lists.delete(root);
}

class List {
  constructor(root) {
    this.box = root.querySelector(".rows");
    this.pager = root.querySelector(".pager");
    this.count = root.querySelector(".count");
    this.box.addEventListener("keydown", (event) => this.key(event));
    root.querySelector(".back").addEventListener("click", () => this.turn(-1));
    root.querySelector(".on").addEventListener("click", () => this.turn(1));
  }

  // What Python sends: {rows: [{at, text, sub, marks: [{sign, label, kind}]}], selected, first, total}
  update({ data, setTriggerValue }) {
    this.setTriggerValue = setTriggerValue;
    this.data = data;
    const drawn = JSON.stringify(data.rows);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.box.replaceChildren(...data.rows.map((row) => this.row(row)));
    }
    const last = data.first + data.rows.length;
    const range = data.total > data.rows.length ? `${data.first + 1} to ${last} of ` : "";
    this.count.textContent = `${range}${data.total} ${data.total === 1 ? "query" : "queries"}`;
    this.pager.hidden = data.total <= data.rows.length;
    this.pager.querySelector(".back").disabled = data.first === 0;
    this.pager.querySelector(".on").disabled = last >= data.total;
    for (const row of this.box.children) {
      const chosen = Number(row.dataset.at) === data.selected;
      row.setAttribute("aria-selected", chosen);
      row.tabIndex = chosen ? 0 : -1;
      if (chosen && this.shown !== data.selected) this.reveal(row);
    }
    if (data.selected < data.first || data.selected >= last) {
      const first = this.box.firstElementChild;
      if (first) first.tabIndex = 0;
    }
    this.shown = data.selected;
  }

  reveal(row) {
    const box = this.box;
    if (row.offsetTop < box.scrollTop) box.scrollTop = row.offsetTop;
    const bottom = row.offsetTop + row.offsetHeight;
    if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  row(row) {
    const element = make("div", "row");
    element.setAttribute("role", "option");
    element.dataset.at = row.at;
    element.append(make("div", "text", row.text), make("div", "sub", row.sub));
    const marks = make("div", "marks");
    for (const mark of row.marks) {
      const sign = make("span", `mark ${mark.kind}`, mark.sign);
      sign.title = mark.label;
      sign.setAttribute("aria-label", mark.label);
      sign.setAttribute("role", "img");
      marks.append(sign);
    }
    element.append(marks);
    element.addEventListener("click", () => this.choose(row.at));
    return element;
  }

  choose(at) {
    this.setTriggerValue("chosen", at);
  }

  turn(by) {
    this.setTriggerValue("turned", by);
  }

  key(event) {
    const rows = this.data.rows;
    const here = Number(event.target.dataset.at);
    const moves = { ArrowDown: here + 1, ArrowUp: here - 1, Home: rows[0]?.at, End: rows.at(-1)?.at };
    if (event.key === "Enter" || event.key === " ") this.choose(here);
    else if (event.key in moves) {
      const at = Math.min(Math.max(moves[event.key], 0), this.data.total - 1);
      this.choose(at);
      this.box.querySelector(`[data-at="${at}"]`)?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
