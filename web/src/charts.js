// Charts: each element of the class "chart" names its picture and the data of the page that it shows.
import { View, parse } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import band from "./charts/band.vl.json";
import intervals from "./charts/intervals.vl.json";
import lines from "./charts/lines.vl.json";
import logarithmic from "./charts/logarithmic.vl.json";
import strip from "./charts/strip.vl.json";

const SPECS = { band, intervals, lines, logarithmic, strip };
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function config() {
  const [text, faint] = dark.matches ? ["#e4e6ea", "#40454e"] : ["#1c2024", "#d8dbe0"];
  const colours = dark.matches ? ["#f2a65a", "#6fb1f5", "#7ccf8a", "#d68ad6", "#d9d168"] : ["#b45309", "#1d63b8", "#2b7a3d", "#8b3a8b", "#7a7000"];
  return {
    background: null,
    font: "system-ui, sans-serif",
    axis: { labelColor: text, titleColor: text, gridColor: faint, domainColor: faint, tickColor: faint, labelFontSize: 12, labelSeparation: 8, titleFontSize: 12, titleFontWeight: "normal" },
    axisY: { labelLimit: Math.min(320, 0.4 * window.innerWidth) },
    legend: { labelColor: text, titleColor: text, labelFontSize: 12 },
    range: { category: colours },
    style: { cell: { stroke: faint } },
  };
}

function draw(element) {
  const { chart, from, says, choose } = element.dataset;
  const page = window.harnessPage || {};
  const chosen = element.querySelector("select")?.value;
  const rows = (page[from] || []).filter((row) => !choose || row[choose] === chosen);
  const kind = element.querySelector("input[type=checkbox]")?.checked ? "logarithmic" : chart;
  element.view?.finalize();
  const view = new View(parse({ ...SPECS[kind], description: says }, config(), { ast: true }), {
    expr: expressionInterpreter,
    renderer: "svg",
    container: element.querySelector(".plot"),
    hover: true,
  });
  element.view = view;
  for (const [name, value] of Object.entries(page.signals?.[from] || {})) view.signal(name, value);
  return view.data("table", rows).runAsync().then(() => {
    ranged(element, view, SPECS[kind]);
    element.dataset.drawn = "yes";
  });
}

// from where to where the axis across goes, in two fields: what a mouse changes they tell, and what they are given it shows
function ranged(element, view, { scales }) {
  const signals = {}; // of each axis that zooms
  for (const { name, domainRaw } of scales) if (domainRaw) signals[name] = `zoom_${domainRaw.signal.match(/"(.*)"/)[1]}`;
  const fields = [...element.querySelectorAll("input[type=number]")];
  const tell = () => view.scale("x").domain().forEach((end, at) => (fields[at].value = Number(end.toPrecision(4))));
  const show = () => {
    const ends = fields.map((each) => each.valueAsNumber);
    if (!(ends[0] < ends[1])) return tell();
    for (const [axis, signal] of Object.entries(signals)) view.signal(signal, axis === "x" ? ends : view.scale(axis).domain());
    view.runAsync();
  };
  fields.forEach((each) => (each.onchange = show));
  view.addSignalListener(signals.x, () => view.runAfter(tell)); // the scale follows the signal
  tell();
}

const charts = document.querySelectorAll(".chart");
for (const element of charts) {
  const again = () => draw(element);
  const select = element.querySelector("select");
  const { from, choose } = element.dataset;
  if (select) {
    for (const value of new Set((window.harnessPage?.[from] || []).map((row) => row[choose]))) select.append(new Option(value));
    select.addEventListener("change", again);
  }
  element.querySelector("input[type=checkbox]")?.addEventListener("change", again);
  element.querySelector("button").addEventListener("click", again);
  draw(element);
}
dark.addEventListener("change", () => charts.forEach(draw));
