// The world `style-trend-model`: from the contract's columns to `heat` and back.

import { description, heat } from "./heat.js";

export function describe() {
  return description;
}

// A refusal is a thrown string.
export function rank(batch, parameters) {
  const gmv = series(batch, "gmv");
  if (!gmv) throw "the column `gmv` was not given as series: the host must have it";
  const values = Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
  const { growth, score } = heat(gmv, series(batch, "searches"), values);
  return [
    { name: "growth", values: { tag: "numbers", val: growth } },
    { name: "score", values: { tag: "numbers", val: score } },
  ];
}

function series(batch, name) {
  const column = batch.columns.find((column) => column.name === name);
  return column?.values.tag === "series" ? column.values.val : undefined;
}
