/** Everything that is not an order: browsing, carts, reviews, posts, and the calls that say who someone is. */
import { type CanonicalContext, type Draft, countOthers, traitsOf } from "./canonical.ts";
import { objectOf, pagePathOf } from "./canonical-context.ts";
import { authorKeyOf, linkedKeysOf, unlinkedKeyOf } from "./identity.ts";
import { currencyDigits, toMinor } from "./money.ts";
import type { Refusal } from "./reasons.ts";
import { toneOf } from "./sentiment.ts";
import { maskAddresses, maskText } from "./social.ts";
import { postKeys } from "./wire/social.ts";
import { amountOf, numberOf, textOf } from "./wire/values.ts";

type Input = Readonly<Record<string, unknown>>;
type Amount = number | string | null | undefined;

/** Fills in an event other than an order's. Returns how many of its fields are left out. */
export const addActivity = (
  draft: Draft,
  input: Input,
  properties: Input,
  context: CanonicalContext,
): number | Refusal => {
  const { kind } = draft;
  if (kind === "page" || kind === "screen") return addView(draft, input, properties);
  if (kind === "identify") {
    Object.assign(draft, linkedKeysOf(traitsOf(input), context.pseudonyms));
    return addTraits(draft, traitsOf(input), context.allowedTraits);
  }
  if (kind === "identity_unlinked") return addUnlinked(draft, properties, context);
  if (kind === "track") return addOwn(draft, properties, context.allowedProperties);
  if (kind === "social_mentioned" || kind === "social_engaged") return addPost(draft, properties, context);
  if (kind === "group") {
    const group = textOf(input["groupId"], 256);
    if (group !== undefined) draft.properties = JSON.stringify({ group_id: maskAddresses(group) });
    return countOthers(objectOf(input["traits"]) ?? {}, NONE);
  }
  if (kind === "alias") {
    const previous = textOf(input["previousId"], 1024);
    if (previous !== undefined) draft.anonymous_key = context.pseudonyms.anonymous(previous);
    return countOthers(properties, NONE);
  }
  return addShopping(draft, properties, context);
};

/** The visitor from whose browser the event came is not linked by it. */
const addUnlinked = (draft: Draft, properties: Input, context: CanonicalContext): number | Refusal => {
  const key = unlinkedKeyOf(properties, context.pseudonyms);
  if (typeof key !== "string") return key;
  delete draft.anonymous_key;
  draft.unlinked_key = key;
  return countOthers(properties, UNLINK_KEYS);
};

const UNLINK_KEYS = new Set(["anonymous_id", "email", "platform", "handle"]);
const NONE: ReadonlySet<string> = new Set();

const VIEW_KEYS = new Set(["path", "url", "referrer", "name", "category"]);

const addView = (draft: Draft, input: Input, properties: Input): number => {
  const path = draft.page_path ?? pagePathOf(properties["path"]) ?? pagePathOf(properties["url"]);
  if (path !== undefined) draft.page_path = path;
  const category = textOf(input["category"] ?? properties["category"], 512);
  if (category !== undefined) draft.category = category;
  return countOthers(properties, VIEW_KEYS);
};

/** Traits are personal unless the operator says that one is not: a level of loyalty, a language. */
const addTraits = (draft: Draft, traits: Input, allowed: ReadonlySet<string>): number => {
  const kept = plainValues(traits, allowed);
  if (Object.keys(kept).length > 0) draft.traits = JSON.stringify(kept);
  return countOthers(traits, new Set(Object.keys(kept)));
};

/** Property names of the known kinds that hold no personal data in an event of any name. */
const OWN_KEYS = [
  ...[
    "product_id",
    "sku",
    "category",
    "brand",
    "variant",
    "price",
    "quantity",
    "currency",
    "value",
    "revenue",
    "total",
  ],
  ...["subtotal", "shipping", "tax", "discount", "coupon", "cart_id", "order_id", "checkout_id", "list_id", "position"],
  ...["wishlist_id", "promotion_id", "payment_method", "shipping_method", "step", "rating"],
] as const;
const ownKeys: ReadonlySet<string> = new Set(OWN_KEYS);

const addOwn = (draft: Draft, properties: Input, allowed: ReadonlySet<string>): number => {
  const kept = { ...plainValues(properties, ownKeys), ...plainValues(properties, allowed) };
  const names = Object.keys(kept);
  if (names.length > 0) draft.properties = JSON.stringify(kept);
  return countOthers(properties, NONE) - names.length;
};

/** The allowed ones among an object's plain values; texts cut at 1,024 characters, addresses in them masked. */
const plainValues = (input: Input, allowed: ReadonlySet<string>): Record<string, string | number | boolean> => {
  const kept: Record<string, string | number | boolean> = {};
  for (const name of allowed) {
    if (name === "__proto__" || !Object.hasOwn(input, name)) continue;
    const value = input[name];
    if (typeof value === "string") kept[name] = maskAddresses(textOf(value, 1024) ?? "");
    else if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) kept[name] = value;
  }
  return kept;
};

const POST_TEXTS = [
  ["platform", 64],
  ["post_id", 256],
  ["language", 16],
  ["sentiment", 16],
  ["engagement", 64],
] as const;

const addPost = (draft: Draft, properties: Input, context: CanonicalContext): number => {
  for (const [name, max] of POST_TEXTS) {
    const value = textOf(properties[name], max);
    if (value !== undefined) draft[name] = value;
  }
  const author = textOf(properties["author"], 256);
  if (author !== undefined) draft.author_key = authorKeyOf(String(draft.platform), author, context.pseudonyms);
  const body = textOf(properties["text"], 16_384);
  if (body !== undefined) {
    draft.body = maskText(body).slice(0, 16_384);
    if (draft.sentiment === undefined) Object.assign(draft, toneOf(draft.body, draft.language));
  }
  const reach = ["likes", "shares", "replies"].map((name) => numberOf(properties[name] as Amount));
  if (reach.some((count) => count !== undefined))
    draft.reach = reach.reduce<number>((sum, count) => sum + Math.floor(count ?? 0), 0);
  return countOthers(properties, postKeys);
};

const SHOPPING_TEXTS = [
  ["product_id", "product_id", 256],
  ["name", "product_name", 1024],
  ["category", "category", 512],
  ["brand", "brand", 256],
  ["cart_id", "cart_id", 256],
  ["order_id", "order_id", 256],
  ["coupon", "coupon", 256],
  ["language", "language", 16],
] as const;
const SHOPPING_KEYS = new Set([
  ...SHOPPING_TEXTS.map(([name]): string => name),
  ...["query", "review_body", "rating", "price", "quantity", "currency", "value", "revenue", "total", "subtotal"],
]);

const addShopping = (draft: Draft, properties: Input, context: CanonicalContext): number | Refusal => {
  for (const [name, column, max] of SHOPPING_TEXTS) {
    const value = textOf(properties[name], max);
    if (value !== undefined) draft[column] = value;
  }
  const productId = draft.product_id ?? textOf(properties["sku"], 256);
  if (productId !== undefined) draft.product_id = productId;
  const query = textOf(properties["query"], 1024);
  if (query !== undefined) draft.query = maskAddresses(query).slice(0, 1024);
  const review = textOf(properties["review_body"], 16_384);
  if (review !== undefined) draft.body = maskText(review).slice(0, 16_384);
  const rating = numberOf(properties["rating"] as Amount);
  if (rating !== undefined) draft.rating = rating;
  const quantity = numberOf(properties["quantity"] as Amount);
  if (quantity !== undefined) draft.quantity = quantity;
  const price = numberOf(properties["price"] as Amount);
  if (price !== undefined) draft.unit_price = price;
  return addCartValue(draft, properties, context) ?? countOthers(properties, SHOPPING_KEYS);
};

/** Value of a cart or checkout: told in its own currency, converted nowhere, in no sales figure. */
const addCartValue = (draft: Draft, properties: Input, context: CanonicalContext): Refusal | undefined => {
  const value = ["value", "revenue", "subtotal", "total"]
    .map((name) => amountOf(properties[name] as Amount))
    .find((amount) => amount !== undefined);
  const code = (properties["currency"] as string | null | undefined)?.trim().toUpperCase();
  if (!code && value === undefined && draft.unit_price === undefined) return undefined;
  const currency = code || context.rates.reportingCurrency;
  const digits = currencyDigits(currency);
  if (digits === undefined)
    return {
      code: "unknown_currency",
      field: "properties.currency",
      message: "currency must be an ISO 4217 code such as EUR.",
    };
  draft.currency = currency;
  if (value === undefined) return undefined;
  const minor = toMinor(value, digits);
  if (minor === undefined)
    return {
      code: "amount_out_of_range",
      field: "properties.value",
      message: "value is too large to be counted exactly.",
    };
  draft.total_minor = minor;
  return undefined;
};
