import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import { maskText } from "./social.ts";
import { LanguagesMissing, type Sentiment, type SentimentLabel, loadLanguages, sentimentOf } from "./sentiment.ts";

const labelOf = (text: string): string => {
  const sentiment = sentimentOf(text);
  return sentiment.covered ? sentiment.label : sentiment.reason;
};

it("needs what identifies languages only where none is given", async () => {
  assert.throws(() => sentimentOf("What a wonderful shop"), LanguagesMissing);
  assert.equal(sentimentOf("What a wonderful shop", "en").covered, true);
  await loadLanguages();
  assert.equal(sentimentOf("What a wonderful shop").covered, true);
});

describe("sentiment", () => {
  it("is the sign of the sum of rated words, flipped after a negation", () => {
    assert.equal(labelOf("What a wonderful shop, thanks!"), "positive");
    assert.equal(labelOf("This is the worst delivery of all"), "negative");
    assert.equal(labelOf("My parcel is to arrive on Tuesday"), "neutral");
    assert.equal(labelOf("I am not happy with this order"), "negative");
    assert.equal(labelOf("I don’t like the colour of it"), "negative");
    assert.equal(labelOf("That was not a bad experience"), "positive");
    assert.deepEqual(sentimentOf("not a good day"), { covered: true, language: "en", score: -3, label: "negative" });
  });

  it("leaves other languages out instead of calling them neutral", () => {
    for (const [language, text] of [
      ["de", "Die Lieferung war leider kaputt und niemand antwortet"],
      ["de", "Nie wieder bei diesem Laden"],
      ["fr", "Je suis déçu, le colis est arrivé cassé"],
      ["es", "El paquete llegó roto, muy mala experiencia"],
      ["it", "Il pacco è arrivato rotto, pessimo servizio"],
      ["nl", "Slechte service, nooit meer bestellen"],
      ["pt", "Péssimo atendimento, não recomendo"],
      ["pl", "Paczka przyszła uszkodzona"],
      ["ru", "Очень быстрая доставка, спасибо"],
      ["ja", "とても良い商品でした"],
    ] as const)
      assert.deepEqual(sentimentOf(text), { covered: false, language, reason: "language" });
  });

  it("believes the producer's language before its own eyes", () => {
    assert.deepEqual(sentimentOf("super gift", "de-AT"), { covered: false, language: "de", reason: "language" });
    assert.equal(sentimentOf("lol", "en_GB").covered, true);
  });

  it("has no opinion where nothing is said", () => {
    for (const text of ["", "   ", "@shop", "https://example.com/good @bad", "42 !!", "😡"])
      assert.deepEqual(sentimentOf(text), { covered: false, reason: "no_words" }, text);
  });

  it("does not read names, links and what they were masked with", () => {
    const text = "@happy_shop the box https://shop.example/great came, write to joy@love.example or +44 20 7946 0958";
    assert.equal(labelOf(text), "neutral");
    assert.deepEqual(sentimentOf(maskText(text)), sentimentOf(text));
  });

  it("takes words that every object has for words", () => {
    assert.equal(labelOf("the constructor of this toString is hasOwnProperty"), "neutral");
  });
});

const file = path.join(
  process.env["EBB_TEST_DATA"] ?? path.resolve(import.meta.dirname, "../../../../shared/data"),
  "airline_tweets.csv.gz",
);

describe(
  "sentiment of labelled tweets",
  { skip: existsSync(file) ? false : `${file} is not there: set EBB_TEST_DATA` },
  () => {
    const labels = ["negative", "neutral", "positive"] as const;
    type Row = { airline: string; airline_sentiment: SentimentLabel; tweet_created: string; text: string };
    let rows: readonly (Row & { readonly sentiment: Sentiment })[] = [];
    before(() => {
      const parsed = Papa.parse<Row>(gunzipSync(readFileSync(file)).toString(), { header: true, skipEmptyLines: true });
      rows = parsed.data.map((row) => ({ ...row, sentiment: sentimentOf(row.text) }));
    });

    const f1Of = (pairs: readonly (readonly [truth: string, guess: string])[], label: string): number => {
      const right = pairs.filter(([truth, guess]) => truth === label && guess === label).length;
      const named = pairs.filter(([truth, guess]) => truth === label || guess === label).length;
      return (2 * right) / (right + named);
    };
    const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

    const pearson = (pairs: readonly { readonly x: number; readonly y: number }[]): number => {
      const [meanX, meanY] = [mean(pairs.map(({ x }) => x)), mean(pairs.map(({ y }) => y))];
      const product = (f: (x: number, y: number) => number): number =>
        mean(pairs.map(({ x, y }) => f(x - meanX, y - meanY)));
      return product((x, y) => x * y) / Math.sqrt(product((x) => x * x) * product((_x, y) => y * y));
    };

    it("is twice as good as the majority class by macro-F1, below it by accuracy, as the decision records", (context) => {
      assert.equal(rows.length, 14_640);
      const covered = rows.filter(({ sentiment }) => sentiment.covered);
      assert.ok(covered.length / rows.length > 0.99, `${covered.length} of English tweets are known as such`);
      const pairs = covered.map(
        ({ airline_sentiment, sentiment }) => [airline_sentiment, sentiment.covered ? sentiment.label : ""] as const,
      );
      const measure = (guesses: readonly (readonly [string, string])[]) => ({
        accuracy: mean(guesses.map(([truth, guess]) => (truth === guess ? 1 : 0))),
        macroF1: mean(labels.map((label) => f1Of(guesses, label))),
      });
      const lexicon = measure(pairs);
      const majority = measure(pairs.map(([truth]) => [truth, "negative"] as const));
      const scored = covered.map(({ airline_sentiment, sentiment }) => ({
        x: labels.indexOf(airline_sentiment) - 1,
        y: sentiment.covered ? sentiment.score : 0,
      }));
      const correlation = pearson(scored);
      context.diagnostic(`lexicon ${JSON.stringify(lexicon)}, majority class ${JSON.stringify(majority)}`);
      context.diagnostic(
        `correlation of a tweet's score with its label ${correlation.toFixed(3)}; its author's figure for the list, over 1,000 tweets rated from 1 to 9: 0.564 (Nielsen 2011, arXiv:1103.2903)`,
      );
      assert.ok(Math.abs(correlation - 0.511) < 0.005, String(correlation));
      assert.ok(Math.abs(lexicon.macroF1 - 0.53) < 0.005 && Math.abs(lexicon.accuracy - 0.56) < 0.005);
      assert.ok(Math.abs(majority.macroF1 - 0.258) < 0.005 && Math.abs(majority.accuracy - 0.63) < 0.005);
    });

    it("follows the mood of an airline from day to day", (context) => {
      const days = new Map<string, { truth: number[]; guess: number[] }>();
      for (const { airline, tweet_created, airline_sentiment, sentiment } of rows) {
        if (!sentiment.covered) continue;
        const key = `${airline} ${tweet_created.slice(0, 10)}`;
        const day = days.get(key) ?? { truth: [], guess: [] };
        days.set(key, day);
        day.truth.push(labels.indexOf(airline_sentiment) - 1);
        day.guess.push(labels.indexOf(sentiment.label) - 1);
      }
      const pairs = [...days.values()]
        .filter(({ truth }) => truth.length >= 30)
        .map(({ truth, guess }) => [mean(truth), mean(guess)] as const);
      const correlation = pearson(pairs.map(([x, y]) => ({ x, y })));
      context.diagnostic(`${pairs.length} airline days of 30 tweets or more: correlation ${correlation.toFixed(3)}`);
      assert.ok(correlation > 0.8, `correlation ${correlation}`);
    });
  },
);
