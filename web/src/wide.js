// Tables that are wider than the screen: columns that few ask for wait behind a switch, what is the same in every line
// is told above, and what still does not fit scrolls in a box of its own, which shows that there is more.

// `columns`: of each its title, its texts, and whether it may be told above ("same") or waits ("more")
export function fewer(made, columns, box) {
  const hidden = [];
  const told = [];
  columns.forEach(({ title, texts, waits }, at) => {
    const same = texts.length && texts.every((text) => text === texts[0]);
    if (same && texts[0] && waits === "same") told.push(`${title} ${texts[0]}`);
    if (waits === "more" || (same && (waits === "same" || !texts[0]))) hidden.push(at);
  });
  if (told.length) {
    const line = document.createElement("p");
    line.className = "notes";
    line.textContent = `In every line: ${told.join("; ")}.`;
    box.after(line);
  }
  if (!hidden.length) return;
  const label = document.createElement("label");
  const all = document.createElement("input");
  all.type = "checkbox";
  label.append(all, " all columns");
  box.append(label);
  const show = () => made.columns(hidden).visible(all.checked);
  all.addEventListener("change", show);
  show();
}

// what scrolls is what a keyboard reaches, with the name of its table, as long as there is something to scroll
export function boxed(outer) {
  const inner = outer.querySelector(".dt-layout-table") || outer;
  if (inner !== outer) {
    for (const name of ["role", "aria-label"]) inner.setAttribute(name, outer.getAttribute(name));
    for (const name of ["role", "aria-label", "tabindex"]) outer.removeAttribute(name);
    outer.classList.remove("scroll");
    inner.classList.add("scroll");
  }
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Wider than this page: scroll to the right.";
  inner.before(hint);
  const look = () => {
    const wider = inner.scrollWidth - inner.clientWidth;
    hint.hidden = wider < 2;
    if (wider < 2) inner.removeAttribute("tabindex");
    else inner.tabIndex = 0;
    inner.classList.toggle("cut", wider - inner.scrollLeft >= 2);
  };
  inner.addEventListener("scroll", look);
  const sizes = new ResizeObserver(look);
  sizes.observe(inner);
  for (const table of inner.querySelectorAll("table")) sizes.observe(table);
}
