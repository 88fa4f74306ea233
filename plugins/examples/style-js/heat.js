// Heat of styles: how the later half of the series compares with the earlier, in what is bought and what is sought.
//
//   growth = (gmv of the later half ÷ gmv of the earlier half) ^ (1 ÷ half) − 1        relative growth a period
//   heat   = (1 + growth)^(1 − w) · (1 + growth of searches)^w                         w: `attention_weight`
//   score  = 100 · heat^s ÷ (1 + heat^s)                                               s: `steepness`
//
// `half` is the number of periods of a half; of an odd number of periods the oldest is left out. Unknown periods count as 0.
// Without searches in both halves heat is 1 + growth; without gmv in both halves growth is 0 and so is the score. The
// formulas are this example's own.

export const description = {
  name: "style-heat",
  version: "1.0.0",
  summary:
    "Compares the later half of a style's market with the earlier one, in gmv and in searches. Simple on purpose.",
  columns: [
    { name: "gmv", required: true },
    { name: "searches", required: false },
  ],
  parameters: [
    {
      name: "attention_weight",
      meaning: "Part of searches in heat, a share; the rest is gmv's.",
      default: 0.3,
      least: 0,
      greatest: 1,
    },
    {
      name: "steepness",
      meaning: "How far scores lie from 50, an exponent.",
      default: 10,
      least: 1,
      greatest: 100,
    },
  ],
};

/**
 * Growth and score of every row.
 *
 * @param {ArrayLike<number>[]} gmv a series for each row, oldest first
 * @param {ArrayLike<number>[] | undefined} searches likewise
 * @param {{attention_weight: number, steepness: number}} parameters
 * @returns {{growth: Float64Array, score: Float64Array}}
 */
export function heat(gmv, searches, parameters) {
  const growth = new Float64Array(gmv.length);
  const score = new Float64Array(gmv.length);
  for (let row = 0; row < gmv.length; row += 1) {
    const sold = factor(gmv[row]);
    if (sold === undefined) continue;
    const sought = searches && factor(searches[row]);
    const weight = sought === undefined ? 0 : parameters.attention_weight;
    // By logarithms, so that nothing overflows.
    const log = (1 - weight) * Math.log(sold) + (weight ? weight * Math.log(sought) : 0);
    growth[row] = sold - 1;
    score[row] = 100 / (1 + Math.exp(-parameters.steepness * log));
  }
  return { growth, score };
}

/** What the series is multiplied by in a period, from its earlier to its later half; undefined where a half has nothing. */
function factor(series) {
  const half = Math.floor(series.length / 2);
  const middle = series.length - half;
  const earlier = sum(series, middle - half, middle);
  const later = sum(series, middle, series.length);
  const ratio = (later / earlier) ** (1 / half);
  return earlier > 0 && ratio > 0 && Number.isFinite(ratio) ? ratio : undefined;
}

function sum(series, from, to) {
  let total = 0;
  for (let at = from; at < to; at += 1) {
    if (Number.isFinite(series[at])) total += series[at];
  }
  return total;
}
