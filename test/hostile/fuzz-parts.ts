/** What a part of the fuzzing is, and how it is run: seeded, counted by answer, and made smaller where it fails. */
import { crc32 } from "node:zlib";
import fc from "fast-check";

/** What one input came to, in a word or two: a status, a state, a reason. */
export type Answer = string;

export interface PartResult {
  readonly name: string;
  readonly inputs: number;
  /** How often each answer was given. */
  readonly answers: Readonly<Record<Answer, number>>;
  /** The smallest input that broke a promise, and which; absent where none did. */
  readonly failure?: string;
}

/** Sees how long an input takes. */
export interface Watch {
  begin(): void;
  /** @throws Error where it took too long */
  end(): void;
}

export interface Part {
  readonly name: string;
  /** Its part of all inputs, beside the others'. */
  readonly weight: number;
  readonly run: (inputs: number, seed: number, watch?: Watch) => Promise<PartResult>;
}

/** An answer that takes longer is a hang. */
export const HANG_MS = 1_000;

/** @param check answers what the input came to. Throws where a promise is broken */
export const part = <T>(
  name: string,
  weight: number,
  arbitrary: fc.Arbitrary<T>,
  check: (input: T) => Promise<Answer>,
): Part => ({
  name,
  weight,
  run: async (inputs, seed, watch) => {
    const answers: Record<Answer, number> = {};
    let count = 0;
    const property = fc.asyncProperty(arbitrary, async (input) => {
      count++;
      watch?.begin();
      const answer = await check(input);
      watch?.end();
      answers[answer] = (answers[answer] ?? 0) + 1;
    });
    const result = await fc.check(property, {
      seed: seedOf(seed, name),
      numRuns: inputs,
      interruptAfterTimeLimit: 1_800_000,
    });
    const failure =
      result.failed || result.interrupted
        ? `${said(result.errorInstance)}\n${fc.defaultReportMessage(result)}`
        : undefined;
    return { name, inputs: count, answers, ...(failure === undefined ? {} : { failure }) };
  },
});

/** Inputs of each part: at least one each. */
export const shareOut = (parts: readonly Part[], inputs: number): Map<Part, number> => {
  const all = parts.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(parts.map((each) => [each, Math.max(1, Math.ceil((inputs * each.weight) / all))] as const));
};

const said = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Parts of one seed do not all try the same. */
const seedOf = (seed: number, name: string): number => (crc32(name) ^ seed) | 0;
