// npm ci && npm run build: writes charts.js, its licences and its SHA-256.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const { metafile } = await build({
  entryPoints: ["entry.js"],
  outfile: "charts.js",
  bundle: true,
  format: "iife",
  globalName: "charts",
  legalComments: "none",
  metafile: true,
  minify: true,
  target: "es2020",
});

const packages = new Set(
  Object.keys(metafile.inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]),
);
packages.delete(undefined);
const licences = [...packages].sort().map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? readFileSync(`${folder}/${file}`, "utf8").trim() : "";
  return `${name} ${version}: ${license}\n\n${text}\n`;
});
writeFileSync("LICENSES", `charts.js holds these packages.\n\n${licences.join("\n----\n\n")}`);

const hash = createHash("sha256").update(readFileSync("charts.js")).digest("hex");
writeFileSync("charts.js.sha256", `${hash}  charts.js\n`);
