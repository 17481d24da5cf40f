/** Names, addresses and words. Nobody here exists; mail addresses end in example.com (RFC 2606). */
import { Random } from "./random.ts";

const firstNames = (
  "Ada Amir Anna Ben Carla Chen Clara David Elif Emil Erik Fatima Felix Greta Hana Hugo Ida Ines Ivan Jana Jonas " +
  "Julia Karim Lea Leo Lina Luca Maja Marco Maria Mei Milan Mila Nadia Nils Nina Noah Olga Omar Paul Petra Rosa " +
  "Samir Sara Simon Sofia Tariq Theo Vera Yara"
).split(" ");
const lastNames = (
  "Adler Aydin Bauer Becker Berg Bianchi Brandt Costa Dahl Diaz Dubois Engel Ferrari Fischer Garcia Graf Haas Hansen " +
  "Ito Jansen Kaya Keller Klein Kowalski Kraus Lang Larsen Lehmann Lopez Maier Martin Meyer Moreau Nagy Novak Olsen " +
  "Peters Petrov Roth Rossi Sato Schmidt Silva Sommer Stein Svensson Visser Vogel Weber Wolf"
).split(" ");
const countries = ["DE", "DE", "DE", "DE", "FR", "FR", "GB", "GB", "NL", "AT", "ES", "IT", "SE"];
const agents = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
];

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly country: string;
  readonly userAgent: string;
  /** On social networks. */
  readonly handle: string;
  readonly platform: "instagram" | "x";
}

export const personOf = (seed: number, id: string): Person => {
  const random = new Random(seed, "person", id);
  const first = random.pick(firstNames);
  const last = random.pick(lastNames);
  const number = id.replace(/\D+/g, "");
  return {
    name: `${first} ${last}`,
    email: `${first}.${last}.${number}@example.com`.toLowerCase(),
    country: random.pick(countries),
    userAgent: random.pick(agents),
    handle: `${first}${last.slice(0, 3)}${number}`.toLowerCase(),
    platform: random.chance(0.6) ? "instagram" : "x",
  };
};

const complaints = [
  "My {} arrived broken and nobody answers. Last order.",
  "Two weeks waiting for a {}. Really disappointed.",
  "The {} looks nothing like the picture @ebbshop",
  "Third mail about my {} and still no refund.",
];
const praises = [
  "So happy with my new {}!",
  "The {} from @ebbshop is lovely, would buy again.",
  "Quick delivery, and the {} is just right.",
];
const goodReviews = ["Exactly as described.", "Good quality for the price.", "A present, and it was loved.", "Solid."];
const badReviews = ["Broke in the first week.", "Smaller than it looks.", "Arrived late and damaged."];

const filled = (random: Random, texts: readonly string[], productName: string): string =>
  random.pick(texts).replace("{}", productName.toLowerCase());

export const complaintText = (random: Random, productName: string): string => filled(random, complaints, productName);
export const praiseText = (random: Random, productName: string): string => filled(random, praises, productName);
export const reviewText = (random: Random, good: boolean): string => random.pick(good ? goodReviews : badReviews);
