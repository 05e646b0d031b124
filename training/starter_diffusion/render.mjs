// Renders SVG icons to PNG files: node render.mjs PACKAGES < jobs.json, with jobs [{collection, icon, side, file}].
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const require = createRequire(join(resolve(process.argv[2]), "render.js"));
const { Resvg } = require("@resvg/resvg-js");
const collections = new Map();
for (const { collection, icon, side, file } of JSON.parse(readFileSync(0, "utf8"))) {
  if (!collections.has(collection)) collections.set(collection, require(`@iconify-json/${collection}/icons.json`));
  const set = collections.get(collection);
  const { body, left = 0, top = 0, width = set.width ?? 16, height = set.height ?? 16 } = set.icons[icon];
  const viewBox = [left, top, width, height].join(" ");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${viewBox}">${body}</svg>`;
  writeFileSync(file, new Resvg(svg, { fitTo: { mode: "width", value: side } }).render().asPng());
}
