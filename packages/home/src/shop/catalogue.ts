/** What the shop sells: products with a price, a popularity by Zipf's law, a trend, a launch and a season of their own. */
import { Random, cumulated } from "./random.ts";
import { DAY_MS } from "./season.ts";

export interface Product {
  readonly productId: string;
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly brand: string;
  readonly priceMinor: number;
  /** Weight in the first year; rank^-0.9 before the other effects. */
  readonly popularity: number;
  /** Popularity grows by this factor a year. */
  readonly growthPerYear: number;
  readonly launchedAtMs: number;
}

/** Category → median price, things sold, and the months (0 = January) in which it sells three times as much. */
const categories = [
  ["Kitchen", 1_900, ["Teapot", "Bread Knife", "Mixing Bowl", "Cutting Board", "Spice Rack", "Pan"], []],
  ["Garden", 2_400, ["Watering Can", "Planter", "Lantern", "Bird Feeder", "Trowel", "Hose"], [3, 4, 5, 6]],
  ["Textiles", 3_200, ["Blanket", "Cushion", "Apron", "Towel Set", "Bed Linen", "Rug"], []],
  ["Stationery", 900, ["Notebook", "Fountain Pen", "Calendar", "Letter Set", "Pencil Case", "Ink"], [7, 8]],
  ["Toys", 2_100, ["Wooden Train", "Puzzle", "Kite", "Doll", "Building Set", "Card Game"], [10, 11]],
  ["Lighting", 5_500, ["Desk Lamp", "Pendant", "Night Light", "Floor Lamp", "Light Chain", "Candle"], [9, 10, 11]],
  ["Bath", 1_300, ["Soap", "Bath Mat", "Mirror", "Brush", "Shelf", "Diffuser"], []],
  ["Travel", 6_500, ["Rucksack", "Wash Bag", "Bottle", "Umbrella", "Weekender", "Tag Set"], [4, 5, 6]],
] as const satisfies readonly (readonly [string, number, readonly string[], readonly number[]])[];
const looks = ["Oak", "Linen", "Blue", "Copper", "Small", "Grand", "Classic", "Nordic"];
const brands = ["Hollow & Finch", "Ostrava", "Kelda", "Marlow", "Tern", "Birkhus"];

export class Catalogue {
  readonly products: readonly Product[];
  readonly #startMs: number;
  readonly #cumulatedByMonth = new Map<number, number[]>();

  constructor(seed: number, startMs: number, endMs: number) {
    const random = new Random(seed, "catalogue");
    this.#startMs = startMs;
    const names = categories.flatMap(([category, medianMinor, things]) =>
      things.flatMap((thing) => looks.map((look) => ({ category, medianMinor, name: `${look} ${thing}` }))),
    );
    // About half of all that could be sold is; the order that is drawn is the rank of popularity.
    const ranked = names.map((entry) => ({ entry, at: random.uniform() })).sort((a, b) => a.at - b.at);
    this.products = ranked.slice(0, 180).map(({ entry }, index) => ({
      productId: `P${String(index + 1).padStart(4, "0")}`,
      sku: `${entry.category.slice(0, 3).toUpperCase()}-${String(index + 1).padStart(4, "0")}`,
      name: entry.name,
      category: entry.category,
      brand: random.pick(brands),
      // A log-normal price that ends in 0 or 5 cents.
      priceMinor: Math.max(195, 5 * Math.round((entry.medianMinor * Math.exp(0.55 * random.normal())) / 5)),
      popularity: (index + 1) ** -0.9,
      growthPerYear: Math.exp(0.35 * random.normal()),
      launchedAtMs: random.chance(0.25) ? startMs + random.uniform() * (endMs - startMs) : startMs,
    }));
  }

  /** A product by its popularity at an instant. */
  draw(random: Random, atMs: number): Product {
    return this.products[random.weighted(this.#weightsAt(atMs))]!;
  }

  /** Of six drawn by popularity the one whose price is nearest to a sum, by ratio. */
  drawNear(random: Random, atMs: number, sumMinor: number): Product {
    const distance = (product: Product): number => Math.abs(Math.log(product.priceMinor / sumMinor));
    let best = this.draw(random, atMs);
    for (let more = 0; more < 5; more++) {
      const other = this.draw(random, atMs);
      if (distance(other) < distance(best)) best = other;
    }
    return best;
  }

  /** Running sums of what each product weighs in the calendar month of an instant. */
  #weightsAt(atMs: number): number[] {
    const date = new Date(atMs);
    const month = date.getUTCFullYear() * 12 + date.getUTCMonth();
    const known = this.#cumulatedByMonth.get(month);
    if (known !== undefined) return known;
    const monthStartMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
    const years = Math.max(0, monthStartMs - this.#startMs) / (365.25 * DAY_MS);
    const weights = cumulated(
      this.products.map((product) => {
        const season: readonly number[] = categories.find(([category]) => category === product.category)![3];
        const launched = product.launchedAtMs <= Math.max(monthStartMs, this.#startMs);
        const seasonFactor = season.includes(date.getUTCMonth()) ? 3 : 1;
        return launched ? product.popularity * product.growthPerYear ** years * seasonFactor : 0;
      }),
    );
    this.#cumulatedByMonth.set(month, weights);
    return weights;
  }
}
