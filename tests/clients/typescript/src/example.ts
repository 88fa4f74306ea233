/** Tells the month of shop.ts line by line. mesh.ts tells which variables name the mesh. */

import { randomUUID } from "node:crypto";
import { ConnectError } from "@connectrpc/connect";
import { overGrpc, refusal } from "./mesh.js";
import { collect, metric, month, present, Shop } from "./shop.js";

const shop = new Shop(overGrpc(), `brand-${randomUUID()}`);
for (const answer of await shop.append(...month(shop))) {
  console.log(`${answer.accepted} rows in table version ${answer.tableVersion}`);
}
const advancing = metric(await shop.fast(), "fast.advancing");
const { low, high } = present(advancing.interval);
console.log(`${advancing.id} = ${advancing.value} in [${low.toFixed(3)}, ${high.toFixed(3)}]`);
console.log("read at", advancing.dataVersion?.tables);
console.log("buyers:", ...(await collect(shop.keys("purchase(orders, last 31 days)"))));
console.log("saved:", (await shop.save("Buyers", "purchase(orders, last 31 days)")).name);
try {
  await shop.save("Nobody", "stage(");
} catch (error) {
  console.log(refusal(ConnectError.from(error)));
}
