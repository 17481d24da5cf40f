/**
 * What the front door has in hand. Beyond it, it refuses at once (503 with Retry-After) before it has read or parsed
 * anything: then memory stays bounded whatever arrives, and what was let in is answered in good time.
 */

/**
 * Requests that write. At what this home takes on two cores (docs/benchmarks.md) as many are answered in a fraction of a
 * second; more would only wait longer. One commit makes all that wait durable, so fewer would not be faster, and a home
 * that stood still for a tenth of a second would turn away what a shop sends in it.
 */
const REQUESTS = 128;
/** Their bodies: two of the largest, or 50 of 160 KB. */
const BODY_BYTES = 8_000_000;
/** What a body counts as before any of it is there, at most, and where nobody said how long it will be. */
const EXPECTED_BYTES = 160_000;

export class Admission {
  #requests = 0;
  #bodyBytes = 0;

  /** Why a request that writes is not let in just now; `undefined` when it may. */
  refusal(): string | undefined {
    if (this.#requests >= REQUESTS) return "Too many requests are under way. Send it again.";
    if (this.#bodyBytes >= BODY_BYTES) return "Too much is under way. Send it again.";
    return undefined;
  }

  /**
   * Counts a request in until it leaves, which it says once.
   * @param declaredBytes as its Content-Length says: many that announce much are not let in together
   */
  enter(declaredBytes = EXPECTED_BYTES): {
    readonly received: (bytes: number) => void;
    readonly leave: () => void;
  } {
    let expected = Math.min(declaredBytes, EXPECTED_BYTES);
    let counted = expected;
    this.#requests++;
    this.#bodyBytes += counted;
    return {
      received: (bytes) => {
        const beyond = Math.max(0, bytes - expected);
        expected -= bytes - beyond;
        counted += beyond;
        this.#bodyBytes += beyond;
      },
      leave: () => {
        this.#requests--;
        this.#bodyBytes -= counted;
      },
    };
  }
}
