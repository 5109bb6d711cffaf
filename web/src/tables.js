// Tables that sort, filter and search; the viewer of triplets. Every text is set as text, never as HTML.
import DataTable from "datatables.net";
import { boxed, fewer } from "./wide.js";

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

// above a table: of the columns that say so, a list of what is in them, to show these lines alone
function tools(table, made) {
  const box = document.createElement("div");
  box.className = "filters";
  table.closest(".scroll").before(box);
  const columns = [...table.querySelectorAll("thead th")].map((head, at) => {
    const texts = made.column(at).nodes().toArray().map((cell) => cell.textContent.trim());
    const { filter, more, same } = head.dataset;
    if (filter && new Set(texts).size > 1) box.append(chooser(made, at, filter, texts));
    return { title: head.textContent.trim(), texts, waits: more !== undefined ? "more" : same !== undefined && "same" };
  });
  fewer(made, columns, box);
}

function chooser(made, at, name, texts) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  label.append(`${name} `, select);
  select.append(new Option("all", "", true));
  [...new Set(texts)].sort().forEach((value) => select.append(new Option(value || "none", `=${value}`)));
  select.addEventListener("change", () => {
    const wanted = select.value.slice(1);
    made.column(at).search.fixed("filter", select.value ? (text, row, index) => texts[index] === wanted : null).draw();
  });
  return label;
}

for (const table of document.querySelectorAll("table.sortable")) tools(table, new DataTable(table, options(table, {})));

const text = DataTable.render.text();
const number = (digits) => (value, kind) => {
  if (kind !== "display" && kind !== "filter") return value;
  const shown = value === null ? "" : value.toFixed(digits);
  return Number(shown) === 0 ? shown.replace("-", "") : shown;
};

// the triplets of a pair, from the page's own data
const triplets = document.querySelector("table.triplets");
const page = window.harnessPage || {};
if (triplets && page.triplets) {
  const columns = page.columns.map((title, at) => ({
    title,
    data: at,
    ...(at < page.texts ? { render: text } : { render: number(page.digits[at - page.texts]), className: "number" }),
  }));
  const made = new DataTable(triplets, options(triplets, { data: page.triplets, columns, deferRender: true }));
  const box = document.createElement("div");
  box.className = "filters";
  triplets.closest(".scroll").before(box);
  const waiting = (title, at) => ({ title, texts: at < page.texts ? page.triplets.map((row) => row[at]) : [], waits: title !== "triplet" && "same" });
  fewer(made, page.columns.map(waiting), box);
}

// the numbers of a chart, made when they are asked for
for (const details of document.querySelectorAll("details.numbers")) {
  const fill = () => {
    const table = details.querySelector("table");
    const rows = page[details.closest(".chart").dataset.from] || [];
    const columns = Object.keys(rows[0] || {}).map((name) => {
      const words = rows.some((row) => typeof row[name] === "string");
      return { title: name, data: (row) => row[name], defaultContent: "", ...(words ? { render: text } : { className: "number" }) };
    });
    new DataTable(table, options(table, { data: rows, columns, deferRender: true }));
    boxed(details.querySelector(".scroll"));
  };
  details.addEventListener("toggle", fill, { once: true });
}

document.querySelectorAll(".scroll").forEach((outer) => outer.closest("details") || boxed(outer));

// the viewer: which triplet, and which two pictures of it lie over each other
const viewer = document.querySelector(".viewer");
if (viewer && page.shown) {
  const [which, one, other] = viewer.querySelectorAll("select");
  const [first, second] = viewer.querySelectorAll("img-comparison-slider img");
  const caption = viewer.querySelector("figcaption");
  const key = viewer.querySelector(".key");
  page.shown.forEach((each, at) => which.append(new Option(each.title, at)));
  const show = () => {
    const { pictures, note } = page.shown[which.value];
    key.hidden = true;
    for (const [select, image] of [[one, first], [other, second]]) {
      const picture = pictures[select.value] || pictures[0];
      image.src = picture.file;
      image.alt = picture.label;
      if (picture.key) {
        key.src = picture.key;
        key.hidden = false;
      }
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
