/** A product as the E-commerce Spec v2 writes it, alone or in a list. */
import { z } from "zod";
import { amount, optionalId, signedAmount, text } from "./values.ts";

/** Fields of a product that are kept. */
export const productFields = {
  product_id: optionalId,
  sku: optionalId,
  name: text,
  category: text,
  brand: text,
  variant: text,
  price: amount.meta({ description: "Unit price in major units; decimals are kept" }),
  quantity: signedAmount.meta({ description: "1 where absent; below 0 for a line that is given back" }),
} as const;

export const Product = z.object(productFields).meta({ id: "Product" });
export type Product = z.infer<typeof Product>;

export const Products = z.array(Product, { error: "must be a list of products" }).nullish();

/** Names of a product's kept fields, for counting what is left out. */
export const productKeys: ReadonlySet<string> = new Set(Object.keys(productFields));
