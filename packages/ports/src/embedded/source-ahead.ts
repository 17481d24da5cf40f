/**
 * Typed Parquet of parts that are staged for good, made while the load reads on. The staged text stays what counts: a file
 * is taken as long as its parts are those that it was made of, and what it had is made again where they are not.
 */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";

/** Text that is worth a file of its own. */
const BATCH_BYTES = 16_000_000;
/** Of the text that is made already: a table of any size has some tens of files. */
const BATCH_SHARE = 1 / 4;

export interface Engine {
  readonly connection: DuckDBConnection;
  readonly close: () => void;
}

export interface AheadOptions {
  /** Where the parts lie; files are made beside it. */
  readonly folder: string;
  readonly connect: () => Promise<Engine>;
  /** The statement that makes a file of parts. */
  readonly copySql: (parts: readonly string[], file: string) => string;
  readonly batchBytes?: number | undefined;
}

interface Part {
  readonly name: string;
  readonly bytes: number;
  /** Another one when its text is another. */
  readonly state: string;
}

interface Batch {
  readonly file: string;
  readonly parts: readonly Part[];
}

/** Removes what was made of a folder's parts: they are about to become others, or became others. */
export const removeMadeOf = async (folder: string): Promise<void> => {
  const beside = path.dirname(folder);
  for (const name of await readdir(beside).catch(() => []))
    if (name.startsWith(`${path.basename(folder)}.`) && /\.\d+\.parquet$/.test(name))
      await rm(path.join(beside, name), { force: true });
};

export class MadeAhead {
  readonly #options: AheadOptions;
  readonly #batches: Batch[] = [];
  #made = 0;
  #engine: Engine | undefined;
  #running: Promise<void> | undefined;
  /** Nothing more is made ahead. */
  #ended = false;

  constructor(options: AheadOptions) {
    this.#options = options;
  }

  /** Parts below a number are not written again. Makes a file of those that none has, beside what the caller does next. */
  settled(parts: number): void {
    if (this.#ended || this.#running !== undefined) return;
    this.#running = this.#make(parts)
      // Why it failed is told by the commit, which makes what is not here.
      .catch(() => void (this.#ended = true))
      .finally(() => (this.#running = undefined));
  }

  /** Ends what runs: files that hold what is staged now, and the parts that are in none of them, by their paths. */
  async end(): Promise<{ readonly files: readonly string[]; readonly rest: readonly string[] }> {
    this.#ended = true;
    await this.#running;
    this.#close();
    const { folder } = this.#options;
    const staged = await this.#parts();
    const rest = new Set(staged.map(({ name }) => name));
    const files: string[] = [];
    for (const { file, parts } of this.#batches) {
      const isThere = await stat(file).then(
        () => true,
        () => false, // a commit that failed has moved it, or an erasure removed it
      );
      if (!isThere || !isAsIn(parts, staged)) continue;
      files.push(file);
      for (const { name } of parts) rest.delete(name);
    }
    return { files, rest: [...rest].sort().map((name) => path.join(folder, name)) };
  }

  /** Gives up what runs; the next load begins without files. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#engine?.connection.interrupt();
    await this.#running;
    this.#close();
    for (const { file } of this.#batches.splice(0)) await rm(file, { force: true });
  }

  #close(): void {
    this.#engine?.close();
    this.#engine = undefined;
  }

  async #make(below: number): Promise<void> {
    const made = this.#batches.flatMap(({ parts }) => parts);
    const known = new Set(made.map(({ name }) => name));
    const fresh = (await this.#parts()).filter(({ name }) => Number.parseInt(name, 10) < below && !known.has(name));
    if (bytesOf(fresh) < Math.max(this.#options.batchBytes ?? BATCH_BYTES, bytesOf(made) * BATCH_SHARE)) return;
    const { folder, connect, copySql } = this.#options;
    this.#engine ??= await connect();
    if (this.#ended) return;
    const file = `${folder}.${this.#made++}.parquet`;
    const files = fresh.map(({ name }) => path.join(folder, name));
    await this.#engine.connection.run(copySql(files, file));
    // An erasure took rows out of a part meanwhile: the file has them still.
    if (isAsIn(fresh, await this.#parts())) this.#batches.push({ file, parts: fresh });
    else await rm(file, { force: true });
  }

  async #parts(): Promise<Part[]> {
    const { folder } = this.#options;
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".tsv"));
    return await Promise.all(
      names.map(async (name) => {
        const { ino, mtimeMs, size } = await stat(path.join(folder, name));
        return { name, bytes: size, state: `${ino} ${mtimeMs} ${size}` };
      }),
    );
  }
}

const bytesOf = (parts: readonly Part[]): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);

/** Whether each of the parts is staged as it was. */
const isAsIn = (parts: readonly Part[], staged: readonly Part[]): boolean => {
  const states = new Map(staged.map(({ name, state }) => [name, state]));
  return parts.every(({ name, state }) => states.get(name) === state);
};
