import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { GetFastResponseSchema } from "../generated/dualwheel/consumer/v1/fast_pb.js";
import { Absence, IntervalMethod } from "../generated/dualwheel/type/v1/type_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../generated/grpc/health/v1/health_pb.js";
import { overConnect, overGrpc, overGrpcWeb, refusal } from "./mesh.js";
import { BUYERS, collect, FIRST_DAY, LAST_DAY, MARCH, metric, month, noon, present, Shop } from "./shop.js";

const grpc = overGrpc();
const EXPRESSION = "purchase(orders, last 31 days)";

/** A brand of its own for each test. */
function newShop(): Shop {
  return new Shop(grpc, `brand-${randomUUID()}`);
}

/** A brand whose first month has come in. */
async function openShop(): Promise<Shop> {
  const shop = newShop();
  await shop.append(...month(shop));
  return shop;
}

async function fails(code: Code, call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => assert.fail("the call succeeds"),
    (reason) => ConnectError.from(reason),
  );
  assert.equal(error.code, code, error.message);
  return error;
}

test("the mesh is serving", async () => {
  const health = createClient(Health, grpc);
  for (const service of ["", "dualwheel.consumer.v1.ConsumerService"]) {
    const answer = await health.check({ service });
    assert.equal(answer.status, HealthCheckResponse_ServingStatus.SERVING);
  }
});

test("facts are appended once", async () => {
  const shop = newShop();
  const [searches, purchases] = month(shop);
  const first = await shop.append(searches, purchases);
  assert.deepEqual(
    first.map(({ accepted, refused }) => [accepted, refused]),
    [
      [20n, 0n],
      [8n, 0n],
    ],
  );
  const again = present((await shop.append(searches))[0]);
  assert.ok(again.repeatedBatch);
  assert.deepEqual([again.accepted, again.tableVersion], [20n, first[0]?.tableVersion]);
});

test("a bad row is refused and the good ones stay", async () => {
  const shop = newShop();
  const rows = ["person-00", ""].map((consumer) => shop.search(consumer, noon(2, 20)));
  const answer = present((await shop.append(shop.behaviors(1n, rows)))[0]);
  assert.deepEqual([answer.accepted, answer.refused], [1n, 1n]);
  const refused = present(answer.refusals[0]);
  assert.deepEqual([refused.row, refused.field], [1n, "consumer"]);
  assert.ok(refused.reason);
});

test("a metric stands on its own", async () => {
  const shop = await openShop();
  const answer = await shop.fast();
  const advancing = metric(answer, "fast.advancing");
  assert.deepEqual(advancing.numerator?.amount, { case: "count", value: 8n });
  assert.deepEqual(advancing.denominator?.amount, { case: "count", value: 20n });
  assert.equal(advancing.value, 0.4);
  const { low, high, method } = present(advancing.interval);
  assert.equal(method, IntervalMethod.WILSON);
  assert.ok(low < 0.4 && 0.4 < high, `[${low}, ${high}]`);
  assert.ok("behaviors" in present(advancing.dataVersion).tables);
  // Nobody has a role, and a share of nobody is no zero.
  const thriving = metric(answer, "fast.thriving");
  assert.equal(thriving.value, undefined);
  assert.notEqual(thriving.absence, Absence.UNSPECIFIED);
  assert.ok(thriving.absenceDetail);
});

test("a pinned question gets the same answer", async () => {
  const shop = await openShop();
  const version = metric(await shop.fast(), "fast.advancing").dataVersion;
  const before = await shop.fast(version);
  await shop.append(shop.orders(2n, [shop.purchase("person-08", noon(3, 20), "10")]));
  assert.equal(metric(await shop.fast(), "fast.advancing").value, 0.45);
  const pinned = await shop.fast(version);
  assert.equal(metric(pinned, "fast.advancing").value, 0.4);
  assert.deepEqual(toBinary(GetFastResponseSchema, pinned), toBinary(GetFastResponseSchema, before));
});

test("gRPC-Web gets the same answer as gRPC", async () => {
  const shop = await openShop();
  const web = new Shop(overGrpcWeb(), shop.brand);
  assert.deepEqual(await web.fast(), await shop.fast());
});

test("JSON over Connect gets the same answer as gRPC", async () => {
  const shop = await openShop();
  const json = new Shop(overConnect(), shop.brand);
  assert.deepEqual(await json.fast(), await shop.fast());
  // A call that changes something, too.
  const saved = await json.save("Buyers", EXPRESSION);
  assert.deepEqual((await collect(shop.savedAudiences(1))).flat(), [saved]);
});

test("streams are refused over Connect", async () => {
  const json = new Shop(overConnect(), newShop().brand);
  const told = refusal(await fails(Code.Unimplemented, collect(json.keys(EXPRESSION))));
  assert.equal(told.reason, "PROTOCOL_UNSUPPORTED");
});

test("a list comes page by page", async () => {
  const shop = await openShop();
  const names = [(await shop.save("First", EXPRESSION)).name, (await shop.save("Second", EXPRESSION)).name];
  const pages = await collect(shop.savedAudiences(1));
  assert.deepEqual(
    pages.map((page) => page.map(({ name }) => name)),
    names.map((name) => [name]),
  );
});

test("a repeated request gets the first answer", async () => {
  const shop = await openShop();
  const requestId = randomUUID();
  const first = await shop.save("Buyers", EXPRESSION, requestId);
  assert.deepEqual(await shop.save("Buyers", EXPRESSION, requestId), first);
  assert.equal((await collect(shop.savedAudiences(1))).length, 1);
});

for (const [protocol, transport] of [
  ["gRPC", grpc],
  ["gRPC-Web", overGrpcWeb()],
  ["Connect", overConnect()],
] as const) {
  test(`a refusal names reason and field over ${protocol}`, async () => {
    const shop = new Shop(transport, "any");
    const window = { firstDay: LAST_DAY, lastDay: FIRST_DAY };
    const ask = shop.consumers.getFast({ query: { brand: shop.brand, window } });
    const told = refusal(await fails(Code.InvalidArgument, ask));
    assert.equal(told.reason, "INVALID_QUESTION");
    const [wrong, ...others] = Object.entries(told.fields);
    const [field, expected] = present(wrong);
    assert.ok(field.startsWith("query.window") && others.length === 0, field);
    console.log(`${told.reason}: ${field}: ${expected}`);
  });
}

test("an unknown brand has a reason", async () => {
  const told = refusal(await fails(Code.NotFound, newShop().fast()));
  assert.equal(told.reason, "BRAND_UNKNOWN");
  assert.deepEqual(told.fields, {});
});

test("a deadline ends a call", async () => {
  const shop = await openShop();
  for (const { consumers } of [shop, new Shop(overConnect(), shop.brand)]) {
    const ask = consumers.getFast({ query: { brand: shop.brand, window: MARCH } }, { timeoutMs: 1 });
    await fails(Code.DeadlineExceeded, ask);
  }
});

test("keys stream in order", async () => {
  const shop = await openShop();
  assert.deepEqual(await collect(shop.keys(EXPRESSION)), BUYERS);
});
