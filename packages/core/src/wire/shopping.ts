/** What visitors do in a shop before they order (E-commerce Spec v2: browsing, carts, checkout, reviews). */
import { z } from "zod";
import { common } from "./call.ts";
import { Products, productFields } from "./products.ts";
import { amount, currency, optionalId, signedAmount, text } from "./values.ts";

const track = <const Event extends string, const Properties extends z.ZodRawShape>(
  event: Event,
  properties: Properties,
  description: string,
) =>
  z
    .object({
      type: z.literal("track"),
      event: z.literal(event),
      ...common,
      properties: z.object(properties).nullish(),
    })
    .meta({ description });

const product = { ...productFields, currency, coupon: text, cart_id: optionalId, value: amount } as const;

export const ProductViewed = track("Product Viewed", product, "A visitor looked at a product.");
export const ProductListViewed = track(
  "Product List Viewed",
  { category: text, products: Products },
  "A visitor looked at a list or category of products; the list's products are not kept.",
);
export const ProductAdded = track("Product Added", product, "A product was put into the cart.");
export const ProductRemoved = track("Product Removed", product, "A product was taken out of the cart.");
export const CartViewed = track(
  "Cart Viewed",
  { cart_id: optionalId, currency, value: amount, products: Products },
  "A visitor looked at the cart.",
);
export const CheckoutStarted = track(
  "Checkout Started",
  {
    order_id: optionalId,
    cart_id: optionalId,
    value: amount,
    revenue: amount,
    total: amount,
    shipping: amount,
    tax: amount,
    discount: amount,
    coupon: text,
    currency,
    products: Products,
  },
  "A visitor began to check out. It is no order: its value is in no sales figure.",
);
export const ProductsSearched = track(
  "Products Searched",
  { query: text.meta({ description: "E-mail addresses in it are masked" }) },
  "A visitor searched for products.",
);
export const ProductReviewed = track(
  "Product Reviewed",
  {
    product_id: optionalId,
    review_id: optionalId,
    review_body: text.meta({ description: "@names, e-mail addresses and telephone numbers in it are masked" }),
    rating: signedAmount,
    language: text,
  },
  "A customer wrote a review.",
);
