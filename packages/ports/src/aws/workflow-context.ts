/** A workflow's memory in AWS: a durable Lambda's own checkpoints. Between two looks the function is not running. */
import type { DurableContext } from "@aws/durable-execution-sdk-js";
import type { WorkflowContext } from "../batch-ports.ts";
import { isTransient } from "./errors.ts";

/** Tries of a step that fails for a reason outside the program; 5, 15, 45 and 135 seconds apart, without a function. */
const ATTEMPTS = 5;
const FIRST_PAUSE_SECONDS = 5;
const PAUSE_FACTOR = 3;

/** A look every thirty seconds is 2,880 operations a day, of the 3,000 that one execution may have. */
const SHORTEST_LOOK_SECONDS = 30;
/** Looks that fail for a reason outside the program, in a row, before the workflow gives up: an hour at least. */
const FAILED_LOOKS = 120;

/**
 * What `waitFor` remembers between two looks. A failed look is remembered too: the library keeps the state of a look
 * and not of an error.
 */
interface Look<T> {
  readonly answer?: T;
  readonly failed: number;
}

export class DurableWorkflowContext implements WorkflowContext {
  readonly #durable: DurableContext;

  constructor(durable: DurableContext) {
    this.#durable = durable;
  }

  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#durable.step(name, work, {
      // Lost connections, throttling: anything else is a fault that comes again.
      retryStrategy: (error, attempt) => ({
        shouldRetry: isTransientByName(error) && attempt < ATTEMPTS,
        delay: { seconds: FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempt - 1) },
      }),
    });
  }

  async waitFor<T>(name: string, everySeconds: number, look: () => Promise<T | undefined>): Promise<T> {
    const seconds = Math.max(SHORTEST_LOOK_SECONDS, everySeconds);
    const seen = await this.#durable.waitForCondition<Look<T>>(
      name,
      async ({ failed }) => {
        try {
          const answer = await look();
          return answer === undefined ? { failed: 0 } : { answer, failed: 0 };
        } catch (error) {
          if (!isTransient(error) || failed + 1 === FAILED_LOOKS) throw error;
          return { failed: failed + 1 };
        }
      },
      {
        initialState: { failed: 0 },
        waitStrategy: ({ answer }) =>
          answer === undefined ? { shouldContinue: true, delay: { seconds } } : { shouldContinue: false },
      },
    );
    return seen.answer!;
  }
}

/** The library hands errors on by name and message, so the class is gone. */
const isTransientByName = (error: Error): boolean => isTransient(error) || error.name === "TransientError";
