// Bundles the libraries and what lies in src into harness/site/static. Charts are compiled from Vega-Lite to Vega here,
// so that a page needs no compiler, and no code is made of text in it: the content security policy forbids that.
import { build } from "esbuild";
import { compile } from "vega-lite";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join, relative } from "node:path";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "harness", "site", "static");
const charts = {
  name: "charts",
  setup(build) {
    build.onLoad({ filter: /\.vl\.json$/ }, ({ path }) => {
      const { spec } = compile(JSON.parse(readFileSync(path, "utf8")));
      delete spec.background; // the page's own
      return { contents: JSON.stringify(spec), loader: "json" };
    });
  },
};

mkdirSync(out, { recursive: true });
const made = await build({
  absWorkingDir: here,
  entryPoints: ["src/tables.js", "src/charts.js", "src/slider.js", "src/site.css"],
  outdir: out,
  bundle: true,
  minify: true,
  metafile: true,
  format: "iife",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  plugins: [charts],
  logLevel: "warning",
});

// the licence of each package that is in the bundle
const packages = new Set();
for (const { inputs } of Object.values(made.metafile.outputs)) {
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found && bytesInOutput > 0) packages.add(found[1]);
  }
}
const parts = ["What is bundled in the scripts and style sheets beside this file, and the licence of each part.\n"];
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? join(folder, file) : join(here, "licences", `${name}.txt`);
  parts.push(`${"=".repeat(72)}\n${name} ${version} (${license})\n\n${readFileSync(text, "utf8").trim()}\n`);
}
writeFileSync(join(out, "LICENSES.txt"), parts.join("\n"));

// what it was made from and what was made, by which a test tells whether these are of each other: sha256sum -c reads it
const root = join(here, "..");
const below = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
const files = [join(here, "build.mjs"), join(here, "package-lock.json"), ...below(join(here, "src")), ...below(out)];
const sums = files.map((file) => `${createHash("sha256").update(readFileSync(file)).digest("hex")}  ${relative(root, file)}\n`);
writeFileSync(join(here, "made.sha256"), sums.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(""));
