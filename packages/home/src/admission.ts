/**
 * What the front door has in hand. Beyond it, it refuses at once (503 with Retry-After) before it has read or parsed
 * anything: then memory stays bounded whatever arrives, and what was let in is answered in good time.
 */

/**
 * Requests that write. At what this home takes on two cores (docs/benchmarks.md) as many are answered in a fraction of a
 * second; more would only wait longer. One commit makes all that wait durable, so fewer would not be faster.
 */
const REQUESTS = 48;
/** Their bodies: two of the largest, or 48 of 160 KB. */
const BODY_BYTES = 8_000_000;

export class Admission {
  #requests = 0;
  #bodyBytes = 0;

  /** Why a request that writes is not let in just now; `undefined` when it may. */
  refusal(): string | undefined {
    if (this.#requests >= REQUESTS) return "Too many requests are under way. Send it again.";
    if (this.#bodyBytes > BODY_BYTES) return "Too much is under way. Send it again.";
    return undefined;
  }

  /** Counts a request in until what is returned is called, once. */
  enter(): { readonly received: (bytes: number) => void; readonly leave: () => void } {
    let bytes = 0;
    this.#requests++;
    return {
      received: (more) => {
        bytes += more;
        this.#bodyBytes += more;
      },
      leave: () => {
        this.#requests--;
        this.#bodyBytes -= bytes;
        bytes = 0;
      },
    };
  }
}
