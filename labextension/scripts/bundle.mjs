/**
 * Bundles the face for pages outside of JupyterLab: `node bundle.mjs [--watch]`.
 *
 * Law: `novel.js` (what a notebook's widget loads) and `page.js` (the plain page) share their code in chunks; nothing is
 * fetched from anywhere else. The files land in the Python package, which serves them and carries them in its wheel.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { build, context } from "esbuild";

const folder = fileURLToPath(new URL("..", import.meta.url));
const options = {
  absWorkingDir: folder,
  entryPoints: [
    { in: "src/ui/index.ts", out: "novel" },
    { in: "src/page/page.tsx", out: "page" },
    { in: "style/index.css", out: "novel" },
    { in: "style/page.css", out: "page" },
  ],
  outdir: "../novel_jupyter/static",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: !process.argv.includes("--watch"),
  sourcemap: process.argv.includes("--watch") ? "inline" : false,
  legalComments: "eof",
  logLevel: "warning",
};

rmSync(new URL("../../novel_jupyter/static", import.meta.url), { recursive: true, force: true });
if (process.argv.includes("--watch")) await (await context(options)).watch();
else {
  const { metafile } = await build({ ...options, metafile: true });
  const packages = Object.keys(metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  const licence = (name) => `${name}\n\n${readFileSync(new URL(`../node_modules/${name}/LICENSE`, import.meta.url), "utf8")}`;
  const licences = [...new Set(packages)].sort().map(licence).join("\n");
  writeFileSync(new URL("../../novel_jupyter/static/third-party-licenses.txt", import.meta.url), licences);
}
