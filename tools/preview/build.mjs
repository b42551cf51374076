// Bundles the page into dist/, with the icons and fonts that Grafana's library looks for beside it.
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const modules = join(here, "node_modules");

await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx"],
  outdir: dist,
  bundle: true,
  format: "esm",
  splitting: true, // the code editor of the library is loaded on demand, which here is never
  jsx: "automatic",
  loader: { ".svg": "dataurl", ".ttf": "dataurl" },
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});

cpSync(join(modules, "@grafana/ui/dist/public/img/icons"), join(dist, "public/build/img/icons"), { recursive: true });
const fonts = join(dist, "public/fonts/inter");
mkdirSync(fonts, { recursive: true });
for (const weight of ["Regular", "Medium", "Italic", "MediumItalic"]) {
  cpSync(join(modules, `inter-ui/web/Inter-${weight}.woff2`), join(fonts, `Inter-${weight}.woff2`));
}
writeFileSync(
  join(dist, "index.html"),
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboard preview</title><style>body{margin:0}</style>' +
    '<link rel="stylesheet" href="main.css"><body><div id="root"></div><script type="module" src="main.js"></script></body></html>\n',
);
