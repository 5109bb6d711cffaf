// Tables that sort, filter and search; the viewer of triplets. Every text is set as text, never as HTML.
import DataTable from "datatables.net";

const LANGUAGE = { search: "Search", lengthMenu: "_MENU_ lines a page", info: "_START_ to _END_ of _TOTAL_ lines", infoFiltered: "(of _MAX_)", infoEmpty: "no line" };

function options(table, more) {
  const long = table.dataset.rows > 25 || more.data?.length > 25;
  return {
    autoWidth: false,
    order: [],
    language: LANGUAGE,
    paging: Boolean(long),
    pageLength: 25,
    layout: { topStart: null, topEnd: "search", bottomStart: "info", bottomEnd: long ? "paging" : null },
    ...more,
  };
}

// of the columns that say so, a list of what is in them, to show these lines alone
function filters(table, made) {
  const box = document.createElement("div");
  box.className = "filters";
  table.querySelectorAll("thead th").forEach((head, at) => {
    if (!("filter" in head.dataset)) return;
    const name = head.dataset.filter;
    const values = [...new Set(made.column(at).nodes().toArray().map((cell) => cell.textContent.trim()))];
    if (values.length < 2) return;
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.append(`${name} `, select);
    select.append(new Option(`all`, "", true));
    values.sort().forEach((value) => select.append(new Option(value || "none", `=${value}`)));
    select.addEventListener("change", () => {
      const wanted = select.value.slice(1);
      made.column(at).search.fixed("filter", select.value ? (text, row, index, column) => cellText(made, index, at) === wanted : null).draw();
    });
    box.append(label);
  });
  if (box.children.length) table.closest(".scroll").before(box);
}

function cellText(made, row, column) {
  return made.cell(row, column).node().textContent.trim();
}

for (const table of document.querySelectorAll("table.sortable")) {
  const made = new DataTable(table, options(table, {}));
  filters(table, made);
}

// the triplets of a pair, from the page's own data
const triplets = document.querySelector("table.triplets");
const page = window.harnessPage || {};
if (triplets && page.triplets) {
  const text = DataTable.render.text();
  const number = (digits) => (value, kind) => {
    if (kind !== "display" && kind !== "filter") return value;
    const shown = value === null ? "" : value.toFixed(digits);
    return Number(shown) === 0 ? shown.replace("-", "") : shown;
  };
  const columns = page.columns.map((title, at) => ({
    title,
    data: at,
    ...(at < page.texts ? { render: text } : { render: number(page.digits[at - page.texts]), className: "number" }),
  }));
  new DataTable(triplets, options(triplets, { data: page.triplets, columns, deferRender: true }));
}

// the viewer: which triplet, and which two pictures of it lie over each other
const viewer = document.querySelector(".viewer");
if (viewer && page.shown) {
  const [which, one, other] = viewer.querySelectorAll("select");
  const [first, second] = viewer.querySelectorAll("img-comparison-slider img");
  const caption = viewer.querySelector("figcaption");
  page.shown.forEach((each, at) => which.append(new Option(each.title, at)));
  const show = () => {
    const { pictures, note } = page.shown[which.value];
    for (const [select, image] of [[one, first], [other, second]]) {
      const picture = pictures[select.value] || pictures[0];
      image.src = picture.file;
      image.alt = picture.label;
    }
    caption.textContent = `Left: ${first.alt}. Right: ${second.alt}. ${note}`;
  };
  const fill = () => {
    const { pictures } = page.shown[which.value];
    for (const [select, at] of [[one, 0], [other, Math.min(1, pictures.length - 1)]]) {
      const kept = select.value;
      select.replaceChildren(...pictures.map(({ label }, index) => new Option(label, index)));
      select.value = kept && kept < pictures.length ? kept : at;
    }
    show();
  };
  const slider = viewer.querySelector("img-comparison-slider");
  slider.addEventListener("slide", () => slider.setAttribute("aria-valuenow", Math.round(slider.value)));
  which.addEventListener("change", fill);
  one.addEventListener("change", show);
  other.addEventListener("change", show);
  fill();
}
