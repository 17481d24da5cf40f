import { sha256 } from "@ebb/core/ids";
import type { ApiKey, KeyRing } from "../ports.ts";
import type { HashedKey } from "./environment.ts";

/** Keys from the function's environment, where they are stored hashed. */
export class EnvironmentKeyRing implements KeyRing {
  readonly #keys: ReadonlyMap<string, ApiKey>;

  constructor(keys: readonly HashedKey[]) {
    this.#keys = new Map(keys.map(({ hash, ...key }) => [hash, key]));
  }

  async find(presented: string): Promise<ApiKey | undefined> {
    return this.#keys.get(sha256(presented));
  }
}
