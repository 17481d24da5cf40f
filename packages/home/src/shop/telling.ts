/** Who makes a call, on which device, and when: everything about a visit's calls but what they say. */
import type { Catalogue, Product } from "./catalogue.ts";
import { type Person, personOf } from "./people.ts";
import { Random } from "./random.ts";
import type { Visit } from "./visits.ts";

/** One call of the Segment HTTP Tracking API, as it goes on the wire. */
export interface Call {
  readonly type: "track" | "identify" | "page";
  readonly messageId: string;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  readonly anonymousId?: string;
  readonly userId?: string;
  readonly event?: string;
  readonly name?: string;
  readonly traits?: Readonly<Record<string, unknown>>;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly context: Readonly<Record<string, unknown>>;
}

export interface Setting {
  readonly seed: number;
  readonly currency: string;
  /** Decimals of the currency. */
  readonly digits: number;
  readonly catalogue: Catalogue;
}

/** A visit begins less than this before the instant that it is planned at. */
export const LONGEST_LEAD_MS = 3_600_000;

export const SHOP_ADDRESS = "https://shop.example";
const campaigns = [
  { source: "newsletter", medium: "email", name: "weekly" },
  { source: "google", medium: "cpc", name: "brand" },
  { source: "instagram", medium: "social", name: "spring" },
];

type Content = Pick<Call, "type" | "event" | "name" | "traits" | "properties">;

export class Telling {
  readonly setting: Setting;
  readonly visit: Visit;
  readonly random: Random;
  readonly person: Person;
  readonly #calls: { readonly call: Omit<Call, "messageId" | "timestamp">; readonly afterMs: number }[] = [];
  readonly #anonymousId: string;
  #signedIn: boolean;

  constructor(setting: Setting, visit: Visit) {
    this.setting = setting;
    this.visit = visit;
    this.random = new Random(setting.seed, "visit", visit.id);
    this.person = personOf(setting.seed, visit.person.id);
    const joined = visit.person.customer !== undefined && visit.atMs > visit.person.customer.joinedAtMs;
    // Now and then a new device, or a cleared one: nobody knows who it is until the account is used on it.
    const newDevice = joined && this.random.chance(0.08);
    this.#signedIn = joined && !newDevice && !(visit.occasion.type === "browse" && !visit.occasion.known);
    const device = new Random(setting.seed, "device", newDevice ? visit.id : visit.person.id);
    this.#anonymousId = [8, 4, 4, 4, 12].map((digits) => hex(device, digits)).join("-");
  }

  /** An amount in minor units as the wire has it. */
  major(minor: number): number {
    return minor / 10 ** this.setting.digits;
  }

  /** A product by popularity. */
  product(): Product {
    return this.setting.catalogue.draw(this.random, this.visit.atMs);
  }

  /** The account is opened, or used on a device for the first time. Strangers have none. */
  signIn(): void {
    const { customer } = this.visit.person;
    if (this.#signedIn || customer === undefined) return;
    this.#signedIn = true;
    const { name, email, country } = this.person;
    const createdAt = new Date(customer.joinedAtMs).toISOString().slice(0, 10);
    this.#web({ type: "identify", traits: { name, email, createdAt, address: { country } } });
  }

  page(name: string, path: string): void {
    const first = this.#calls.length === 0;
    const campaign = first && this.random.chance(0.15) ? { campaign: this.random.pick(campaigns) } : {};
    const referrer = first && this.random.chance(0.5) ? { referrer: "https://www.google.com/" } : {};
    this.#web({ type: "page", name, properties: { name, path, url: SHOP_ADDRESS + path, ...referrer } }, campaign);
  }

  track(event: string, properties: Readonly<Record<string, unknown>>): void {
    this.#web({ type: "track", event, properties });
  }

  /** By the shop's server, which knows the account whatever the device; of a guest it has the device alone. */
  trackByServer(event: string, properties: Readonly<Record<string, unknown>>, library = "shop-backend"): void {
    const { customer } = this.visit.person;
    const who = customer === undefined ? { anonymousId: this.#anonymousId } : { userId: customer.customerId };
    this.#add({ type: "track", event, properties, ...who, context: { library: { name: library } } });
  }

  /** By the hook of a social network, about somebody whose account is not known to the shop. */
  trackOutsider(event: string, properties: Readonly<Record<string, unknown>>, handle: string): void {
    const context = { library: { name: "shop-social" } };
    this.#add({ type: "track", event, properties, anonymousId: `social-${handle}`, context });
  }

  /** The calls in time order, the last of them at the planned instant. */
  toldUntil(): Call[] {
    return this.#told(this.#calls.at(-1)!.afterMs);
  }

  /** The calls in time order, the first of them at the planned instant. */
  toldFrom(): Call[] {
    return this.#told(this.#calls[0]!.afterMs);
  }

  #told(plannedAfterMs: number): Call[] {
    return this.#calls.map(({ call, afterMs }, index) => ({
      messageId: `shop-${this.setting.seed}-${this.visit.id}-${index}`,
      timestamp: new Date(this.visit.atMs + afterMs - plannedAfterMs).toISOString(),
      ...call,
    }));
  }

  #web(content: Content, context: Readonly<Record<string, unknown>> = {}): void {
    const { customer } = this.visit.person;
    this.#add({
      ...content,
      anonymousId: this.#anonymousId,
      ...(this.#signedIn && customer !== undefined ? { userId: customer.customerId } : {}),
      context: { library: { name: "shop-web" }, userAgent: this.person.userAgent, ...context },
    });
  }

  #add(call: Omit<Call, "messageId" | "timestamp">): void {
    const stepMs = Math.round(1_000 * this.random.between(2, 90));
    this.#calls.push({ call, afterMs: (this.#calls.at(-1)?.afterMs ?? 0) + stepMs });
  }
}

const hex = (random: Random, digits: number): string =>
  Array.from({ length: digits }, () => random.integer(0, 15).toString(16)).join("");
