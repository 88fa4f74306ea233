/** A brand's first month: facts go in, a metric comes out, audiences are kept. */

import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AudienceService } from "../generated/dualwheel/consumer/v1/audience_service_pb.js";
import { ConsumerService } from "../generated/dualwheel/consumer/v1/consumer_service_pb.js";
import type { GetFastResponse } from "../generated/dualwheel/consumer/v1/fast_pb.js";
import type { Audience } from "../generated/dualwheel/consumer/v1/saved_audience_pb.js";
import {
  BehaviorKind,
  type BehaviorSchema,
  type OrderLineSchema,
} from "../generated/dualwheel/facts/v1/facts_pb.js";
import {
  type AppendRequest,
  AppendRequestSchema,
  type AppendResponse,
  FactKind,
  FactService,
} from "../generated/dualwheel/facts/v1/facts_service_pb.js";
import type { DataVersion, Metric } from "../generated/dualwheel/type/v1/type_pb.js";

export const FIRST_DAY = { year: 2026, month: 3, day: 1 };
export const LAST_DAY = { year: 2026, month: 3, day: 31 };
export const MARCH = { firstDay: FIRST_DAY, lastDay: LAST_DAY };

type Behavior = MessageInitShape<typeof BehaviorSchema>;
type OrderLine = MessageInitShape<typeof OrderLineSchema>;

/** One brand's view of the mesh. Its sequence numbers start with it, so it is a producer of its own. */
export class Shop {
  readonly facts: Client<typeof FactService>;
  readonly consumers: Client<typeof ConsumerService>;
  readonly audiences: Client<typeof AudienceService>;

  constructor(
    transport: Transport,
    readonly brand: string,
  ) {
    this.facts = createClient(FactService, transport);
    this.consumers = createClient(ConsumerService, transport);
    this.audiences = createClient(AudienceService, transport);
  }

  // ---- facts in

  /** `consumer` searched for the brand. */
  search(consumer: string, when: Date): Behavior {
    return {
      eventId: this.key(consumer, when),
      consumer,
      brand: this.brand,
      kind: BehaviorKind.SEARCH,
      occurredAt: timestampFromDate(when),
    };
  }

  /** `consumer` paid `amount`, decimal text. */
  purchase(consumer: string, when: Date, amount: string): OrderLine {
    return {
      order: this.key(consumer, when),
      line: "1",
      consumer,
      brand: this.brand,
      product: "serum",
      quantity: 1n,
      paidAmount: amount,
      paidAt: timestampFromDate(when),
    };
  }

  private key(consumer: string, when: Date): string {
    return `${this.brand}-${consumer}-${when.toISOString().slice(0, 10)}`;
  }

  behaviors(sequence: bigint, behaviors: Behavior[]): AppendRequest {
    return this.batch(sequence, FactKind.BEHAVIOR, { behaviors });
  }

  orders(sequence: bigint, orderLines: OrderLine[]): AppendRequest {
    return this.batch(sequence, FactKind.ORDER_LINE, { orderLines });
  }

  private batch(sequence: bigint, kind: FactKind, value: { behaviors?: Behavior[]; orderLines?: OrderLine[] }) {
    const producer = `shop-${this.brand}`;
    return create(AppendRequestSchema, { producer, sequence, kind, batch: { case: "rows", value } });
  }

  /** An answer per batch, in order, once it is durable. A batch that was not answered is simply sent again. */
  async append(...batches: AppendRequest[]): Promise<AppendResponse[]> {
    async function* stream() {
      yield* batches;
    }
    return await collect(this.facts.append(stream()));
  }

  // ---- questions

  /** FAST of March: as of now, or at the versions of an earlier answer. */
  async fast(dataVersion?: DataVersion): Promise<GetFastResponse> {
    return await this.consumers.getFast({ query: { brand: this.brand, window: MARCH, dataVersion } });
  }

  /** Keys of an audience's people, as they stream in. */
  async *keys(expression: string): AsyncGenerator<string> {
    const definition = text(expression);
    for await (const part of this.audiences.exportAudience({ brand: this.brand, definition, asOf: LAST_DAY })) {
      yield* part.consumers;
    }
  }

  // ---- audiences

  /** Saves a live audience. With the same request id, repeating the call is safe. */
  async save(displayName: string, expression: string, requestId: string = randomUUID()): Promise<Audience> {
    const audience = { brand: this.brand, displayName, definition: text(expression) };
    const answer = await this.audiences.createAudience({ requestId, audience });
    return present(answer.audience);
  }

  /** The brand's saved audiences, page by page. */
  async *savedAudiences(pageSize: number): AsyncGenerator<Audience[]> {
    let pageToken = "";
    do {
      const page = await this.audiences.listAudiences({ brand: this.brand, pageSize, pageToken });
      yield page.audiences;
      pageToken = page.nextPageToken;
    } while (pageToken);
  }
}

function text(value: string) {
  return { form: { case: "text", value } } as const;
}

export function noon(month: number, day: number): Date {
  return new Date(Date.UTC(2026, month - 1, day, 12));
}

export function metric(answer: GetFastResponse, id: string): Metric {
  return present(answer.metrics.find((metric) => metric.id === id));
}

/** What the contract promises to be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new Error("the answer lacks a field");
  }
  return value;
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) {
    all.push(one);
  }
  return all;
}

export const PEOPLE = Array.from({ length: 20 }, (_, number) => `person-${String(number).padStart(2, "0")}`);
export const BUYERS = PEOPLE.slice(0, 8);

/** Twenty people search for the brand in February; eight of them buy in March. */
export function month(shop: Shop): [AppendRequest, AppendRequest] {
  const searches = PEOPLE.map((person) => shop.search(person, noon(2, 20)));
  const purchases = BUYERS.map((person) => shop.purchase(person, noon(3, 10), "99.50"));
  return [shop.behaviors(1n, searches), shop.orders(1n, purchases)];
}
