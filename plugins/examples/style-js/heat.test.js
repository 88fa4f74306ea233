// Hand-worked examples: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { description, heat } from "./heat.js";
import { describe, rank } from "./model.js";

const defaults = Object.fromEntries(description.parameters.map((spec) => [spec.name, spec.default]));

/** Growth and score of one row. */
function one(gmv, searches, parameters = {}) {
  const answer = heat([gmv], searches && [searches], { ...defaults, ...parameters });
  return [answer.growth[0], answer.score[0]];
}

function close(given, expected) {
  given.forEach((value, at) => assert.ok(Math.abs(value - expected[at]) < 1e-9, `${given} is not ${expected}`));
}

test("by hand", () => {
  // Halves of two periods, 200 and 288: √1.44 = 1.2 a period; the oldest of five periods is left out.
  // Without searches heat is 1.2; steepness 1: 120 ÷ 2.2.
  close(one([999, 100, 100, 140, 148], undefined, { steepness: 1 }), [0.2, 120 / 2.2]);
  // Searches 100 and 400: 2 a period. Half of each: √(1.2 · 2) = √2.4.
  const root = Math.sqrt(2.4);
  const halves = { steepness: 1, attention_weight: 0.5 };
  close(one([100, 100, 140, 148], [50, 50, 200, 200], halves), [0.2, (100 * root) / (1 + root)]);
});

test("a steady style scores 50", () => {
  close(one([7, 7, 7, 7], [3, 3, 3, 3]), [0, 50]);
});

test("what cannot be judged scores nothing", () => {
  for (const gmv of [[], [5], [0, 0, 5, 5], [5, 5, 0, 0], [NaN, NaN, 5, 5], [-5, -5, 5, 5]]) {
    assert.deepEqual(one(gmv, undefined), [0, 0], String(gmv));
  }
  // Unknown searches leave gmv alone.
  close(one([5, 5, 5, 5], [NaN, NaN, NaN, NaN]), [0, 50]);
  close(one([5, 5, 5, 5], [0, 0, 9, 9]), [0, 50]);
});

test("answers are in range, and rows stand for themselves", () => {
  const odd = [0, 1, 3, 1e308, 5e-324, -2, NaN, Infinity];
  const series = [];
  for (const a of odd) for (const b of odd) for (const c of odd) series.push([a, b, c, a]);
  const searches = series.map((_, at) => series[(at * 7) % series.length]);
  const together = heat(series, searches, defaults);
  series.forEach((gmv, at) => {
    const [growth, score] = [together.growth[at], together.score[at]];
    assert.ok(Number.isFinite(growth) && score >= 0 && score <= 100, `${gmv}: ${growth} ${score}`);
    assert.deepEqual(one(gmv, searches[at]), [growth, score]);
  });
});

test("the contract's columns go in and out", () => {
  const parameters = Object.entries(defaults).map(([name, value]) => ({ name, value }));
  const gmv = { name: "gmv", values: { tag: "series", val: [Float64Array.of(5, 5, 5, 5)] } };
  const answer = rank({ rows: 1, columns: [gmv] }, parameters);
  assert.deepEqual(
    answer.map(({ name, values }) => [name, values.tag, [...values.val]]),
    [
      ["growth", "numbers", [0]],
      ["score", "numbers", [50]],
    ],
  );
  assert.throws(() => rank({ rows: 1, columns: [] }, parameters), /`gmv` was not given/);
  assert.equal(describe().name, "style-heat");
});
