/** One of each engine for all the files of the lane: they run in one process, and an engine takes seconds to start. */
import { startDuckdb } from "./duckdb.ts";
import type { Engine, EngineName } from "./engine.ts";
import { startSpark } from "./spark.ts";
import { startTrino } from "./trino.ts";
import { within } from "./within.ts";

export const engineNames = ["duckdb", "spark-3.5", "spark-4.1", "trino"] as const satisfies readonly EngineName[];

const starts: Readonly<Record<EngineName, () => Promise<Engine>>> = {
  duckdb: startDuckdb,
  "spark-3.5": () => startSpark("3.5"),
  "spark-4.1": () => startSpark("4.1"),
  trino: startTrino,
};

/** Limits of time are for a machine that does nothing else; on a busy one EBB_PATIENCE makes them so many times longer. */
export const patience = Number(process.env["EBB_PATIENCE"] ?? 1);
/** The first start of all installs the engine. */
const START_MS = patience * 300_000;
/** Far more than the longest statement of the proofs takes. Whoever takes longer hangs. */
export const ANSWER_MS = patience * 300_000;

/** An engine that does not answer in time is ended, and fails whatever is asked of it from then on. */
const bounded = (engine: Engine): Engine => {
  let hung: Error | undefined;
  const answer = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
    if (hung !== undefined) throw hung;
    return await within(ANSWER_MS, `${engine.title}: ${what.slice(0, 200)}`, ask, (error) => {
      hung = error;
      engine.kill();
    });
  };
  return {
    ...engine,
    load: (table, parquet) => answer(`loading ${table}`, () => engine.load(table, parquet)),
    define: (name, kind, sql) => answer(`making ${name}`, () => engine.define(name, kind, sql)),
    rows: (sql) => answer(sql, () => engine.rows(sql)),
    clear: async () => {
      if (hung === undefined) await answer("clearing", () => engine.clear());
    },
  };
};

const started = new Map<EngineName, Promise<Engine>>();

/** The engine of the lane, started by the first who asks. It ends with the process. */
export const engineNamed = (name: EngineName): Promise<Engine> => {
  const known = started.get(name);
  if (known !== undefined) return known;
  const from = performance.now();
  const starting = within(START_MS, `starting ${name}`, starts[name]).then((engine) => {
    process.stderr.write(`${engine.title} started in ${((performance.now() - from) / 1000).toFixed(1)} s\n`);
    return bounded(engine);
  });
  started.set(name, starting);
  return starting;
};
