/**
 * Orders and refunds of a database as events. The order book remembers a digest of what was last said of each, so that a
 * row that is read again says nothing; every change is one whole snapshot with the next version.
 *
 * Precedence for one order (source, customer, order id): HTTP, then the database, then file lines (`ORDER_RANK`,
 * `DATABASE_VERSION`).
 */
import { canonicalEvent } from "@ebb/core/canonical";
import { digest, eventIdOf } from "@ebb/core/ids";
import type { ReceiptId } from "@ebb/core/ids";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import { limits } from "@ebb/core/limits";
import { DATABASE_VERSION, ORDER_RANK } from "@ebb/core/orders";
import type { Refusal } from "@ebb/core/reasons";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { EncodedEvent, FileOrder, Ports, Profile, QuarantinedItem } from "@ebb/ports";
import { TransientError } from "@ebb/ports";

/** What a row says of an order, in the words of the wire. */
export interface OrderSaid {
  readonly orderId: string;
  readonly customerId: string | undefined;
  /** Segment's properties of the order or refund. */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly occurredAt: string | null;
  readonly state: "placed" | "cancelled" | "refund";
  /** Ids of its lines, in their order. */
  readonly lineIds?: readonly string[];
}

/** What the book keeps: digest, customer, the customer before, state, and who said so. */
interface Kept {
  readonly digest: string;
  readonly customer: string;
  readonly before?: string;
  readonly state: OrderSaid["state"];
  readonly by: string;
}

export type OrderPorts = Pick<Ports, "now" | "newId" | "pseudonyms" | "settings" | "log" | "orderBook" | "profiles">;

export interface OrderTold {
  readonly events: number;
  readonly quarantined: number;
}

const ATTEMPTS = 20;

export class OrderEvents {
  readonly #ports: OrderPorts;
  readonly #source: string;
  /** Load and generation: what they said and did not bring to an end is said again. */
  readonly #by: string;

  constructor(ports: OrderPorts, source: string, by: string) {
    this.#ports = ports;
    this.#source = source;
    this.#by = by;
  }

  /** Brings what is new among the orders onto the log. Safe to repeat. @throws TransientError */
  async tell(said: readonly OrderSaid[]): Promise<OrderTold> {
    const context = this.#context();
    const events: StreamEvent[] = [];
    const refused: QuarantinedItem[] = [];
    let pending: readonly OrderSaid[] = said;
    for (let attempt = 0; pending.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new TransientError("others keep changing the same orders");
      pending = await this.#turn(pending, context, events, refused);
    }
    await this.#append(context, events, refused);
    return { events: events.length, quarantined: refused.length };
  }

  /** Orders that are gone: they count no more. Refunds that are gone give nothing back. */
  async remove(gone: readonly { readonly orderId: string; readonly state: "placed" | "refund" }[]): Promise<OrderTold> {
    const context = this.#context();
    const events: StreamEvent[] = [];
    const keys = gone.map(({ orderId, state }) => this.#keyOf(orderId, state));
    const stored = await this.#ports.orderBook.read(keys);
    const writes: FileOrder[] = [];
    for (const [index, { orderId, state }] of gone.entries()) {
      const order = stored.get(keys[index]!);
      if (order === undefined) continue;
      const kept = JSON.parse(order.content) as Kept;
      const isGone = kept.digest === GONE;
      if (isGone && kept.by !== this.#by) continue;
      const version = isGone ? order.version : order.version + 1;
      if (!isGone)
        writes.push({ key: order.key, version, content: JSON.stringify({ ...kept, digest: GONE, by: this.#by }) });
      events.push(this.#ended(orderId, kept.customer, state, version, context.receivedAtMs));
    }
    const written = writes.length === 0 ? undefined : await this.#ports.orderBook.write(writes);
    if (writes.some(({ key }) => written?.get(key) !== "written"))
      throw new TransientError("an order changed while it was removed");
    await this.#append(context, events, []);
    return { events: events.length, quarantined: 0 };
  }

  /** One try with every order; answers those that somebody else wrote meanwhile. */
  async #turn(
    said: readonly OrderSaid[],
    context: Context,
    events: StreamEvent[],
    refused: QuarantinedItem[],
  ): Promise<readonly OrderSaid[]> {
    const keys = said.map(({ orderId, state }) => this.#keyOf(orderId, state));
    const stored = await this.#ports.orderBook.read([...new Set(keys)]);
    const news: { readonly order: OrderSaid; readonly write: FileOrder; readonly made: StreamEvent[] }[] = [];
    for (const [index, order] of said.entries()) {
      const known = stored.get(keys[index]!);
      const kept = known === undefined ? undefined : (JSON.parse(known.content) as Kept);
      const mark = digestOf(order);
      const same = kept?.digest === mark;
      if (same && kept.by !== this.#by) continue;
      const version = same ? known!.version : (known?.version ?? 0) + 1;
      const made = this.#snapshot(order, version, context);
      if ("code" in made) {
        refused.push(this.#quarantined(order, made, context, refused.length));
        continue;
      }
      const customer = made.customer_key ?? "";
      const before = same ? kept.before : kept !== undefined && kept.customer !== customer ? kept.customer : undefined;
      const own = [made];
      if (before !== undefined)
        own.push(this.#ended(order.orderId, before, order.state, version, context.receivedAtMs));
      if (same) events.push(...own);
      else {
        const content: Kept = {
          digest: mark,
          customer,
          state: order.state,
          by: this.#by,
          ...(before === undefined ? {} : { before }),
        };
        news.push({ order, write: { key: keys[index]!, version, content: JSON.stringify(content) }, made: own });
      }
    }
    const written = news.length === 0 ? undefined : await this.#ports.orderBook.write(news.map(({ write }) => write));
    const again: OrderSaid[] = [];
    for (const { order, write, made } of news)
      if (written?.get(write.key) === "written") events.push(...made);
      else again.push(order);
    return again;
  }

  /** The order as an event of its version, or why not. */
  #snapshot(order: OrderSaid, version: number, context: Context): StreamEvent | Refusal {
    const { pseudonyms, settings } = this.#ports;
    const name =
      order.state === "refund" ? "Order Refunded" : order.state === "cancelled" ? "Order Cancelled" : "Order Completed";
    const wire = {
      type: "track",
      event: name,
      userId: order.customerId,
      timestamp: order.occurredAt ?? undefined,
      properties: order.properties,
    };
    if (order.occurredAt === null)
      return { code: "missing_field", field: "occurred_at", message: "The row does not say when it was." };
    const canonical = canonicalEvent(
      wire,
      {
        source: this.#source,
        receivedAtMs: context.receivedAtMs,
        receivedAt: context.receivedAt,
        sentAt: undefined,
        receiptId: context.receiptId,
        type: undefined,
        pseudonyms,
        rates: settings.rates,
        allowedProperties: NONE,
        allowedTraits: NONE,
        newEventId: () =>
          eventIdOf(this.#source, `database-${order.state}`, order.customerId ?? "", order.orderId, version),
      },
      0,
    );
    if (canonical.event === undefined) return canonical.refusal;
    const { event } = canonical;
    const lines = event.lines?.map((line, index) => {
      const id = order.lineIds?.[index];
      return id === undefined ? line : { line_id: id, ...line };
    });
    const made = {
      ...event,
      ...(lines === undefined ? {} : { lines }),
      ...(order.state === "refund" ? { refund_id: order.orderId } : {}),
      order_rank: ORDER_RANK.file,
      order_version: DATABASE_VERSION + version,
    };
    if (lines !== undefined && Buffer.byteLength(JSON.stringify(made)) > limits.eventBytes)
      return { code: "too_large", message: `The order has more than ${limits.eventBytes.toLocaleString("en")} bytes.` };
    return made;
  }

  /** What takes an order of a customer back: it is cancelled; a refund becomes one of nothing. */
  #ended(orderId: string, customer: string, state: OrderSaid["state"], version: number, atMs: number): StreamEvent {
    const isRefund = state === "refund";
    const at = new Date(atMs).toISOString();
    return {
      event_id: eventIdOf(
        this.#source,
        "database-gone",
        state === "refund" ? "refund" : "order",
        customer,
        orderId,
        version,
      ),
      kind: isRefund ? "order_refunded" : "order_cancelled",
      name: isRefund ? "Order Refunded" : "Order Cancelled",
      source: this.#source,
      schema_version: STREAM_SCHEMA_VERSION,
      occurred_at: at,
      received_at: at,
      receipt_id: "",
      receipt_number: 0,
      ...(customer === "" ? {} : { customer_key: customer }),
      ...(isRefund ? { refund_id: orderId, total_minor: 0, reporting_minor: 0 } : { order_id: orderId }),
      currency: this.#ports.settings.rates.reportingCurrency,
      reporting_currency: this.#ports.settings.rates.reportingCurrency,
      order_rank: ORDER_RANK.file,
      order_version: DATABASE_VERSION + version,
    };
  }

  async #append(context: Context, events: readonly StreamEvent[], refused: readonly QuarantinedItem[]): Promise<void> {
    if (events.length + refused.length === 0) return;
    const encoded = events.map((event, index): EncodedEvent => ({
      eventId: event.event_id,
      partitionKey: event.customer_key ?? event.event_id,
      json: JSON.stringify({ ...event, receipt_id: context.receiptId, receipt_number: index }),
    }));
    await this.#ports.log.append(
      {
        receiptId: context.receiptId,
        part: 0,
        channel: "source",
        source: this.#source,
        received: events.length + refused.length,
        quarantined: refused.length,
        receivedAtMs: context.receivedAtMs,
      },
      encoded,
      refused,
    );
  }

  #quarantined(order: OrderSaid, refusal: Refusal, context: Context, index: number): QuarantinedItem {
    const { customerId: _, ...shown } = order; // the customer's own id is personal
    return {
      ...refusal,
      receiptId: context.receiptId,
      rowNumber: index,
      source: this.#source,
      original: Buffer.from(JSON.stringify(shown)),
      schemaVersion: STREAM_SCHEMA_VERSION,
      quarantinedAtMs: context.receivedAtMs,
    };
  }

  #keyOf(orderId: string, state: OrderSaid["state"]): string {
    return ["database", state === "refund" ? "refund" : "order", this.#source, orderId].join("\u001f");
  }

  #context(): Context {
    const receivedAtMs = this.#ports.now();
    return {
      receivedAtMs,
      receivedAt: new Date(receivedAtMs).toISOString(),
      receiptId: this.#ports.newId("rcp") as ReceiptId,
    };
  }
}

interface Context {
  readonly receivedAtMs: number;
  readonly receivedAt: string;
  readonly receiptId: ReceiptId;
}

const NONE: ReadonlySet<string> = new Set();
const GONE = "gone";

const digestOf = (order: OrderSaid): string =>
  digest(
    order.state,
    order.customerId ?? "",
    order.occurredAt ?? "",
    JSON.stringify(order.properties),
    (order.lineIds ?? []).join("\u001e"),
  );

/** The profile that an order leaves: who the customer is, and nothing else. */
export const profileOf = (
  ports: OrderPorts,
  customerId: string,
  traits: Profile["traits"],
  updatedAtMs: number,
): Profile => ({
  customerKey: ports.pseudonyms.customer(customerId),
  customerId,
  traits,
  updatedAtMs,
});
