// Builds the component: node build.mjs WIT OUTPUT, after `npm ci`; WIT is the folder of the contract.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";

const [wit, output] = process.argv.slice(2);
if (!output) {
  console.error("usage: node build.mjs WIT OUTPUT");
  process.exit(2);
}

const { component } = await componentize({
  sourcePath: fileURLToPath(new URL("model.js", import.meta.url)),
  witPath: wit,
  worldName: "style-trend-model",
  // A model is a pure function: without these the engine imports nothing of WASI.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(output, component);
