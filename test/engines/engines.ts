/** One of each engine for all the files of the lane: they run in one process, and an engine takes seconds to start. */
import { startDuckdb } from "./duckdb.ts";
import type { Engine, EngineName } from "./engine.ts";
import { startSpark } from "./spark.ts";
import { startTrino } from "./trino.ts";

export const engineNames = ["duckdb", "spark-3.5", "spark-4.1", "trino"] as const satisfies readonly EngineName[];

const starts: Readonly<Record<EngineName, () => Promise<Engine>>> = {
  duckdb: startDuckdb,
  "spark-3.5": () => startSpark("3.5"),
  "spark-4.1": () => startSpark("4.1"),
  trino: startTrino,
};

const started = new Map<EngineName, Promise<Engine>>();

/** The engine of the lane, started by the first who asks. It ends with the process. */
export const engineNamed = (name: EngineName): Promise<Engine> => {
  const known = started.get(name);
  if (known !== undefined) return known;
  const from = performance.now();
  const starting = starts[name]().then((engine) => {
    process.stderr.write(`${engine.title} started in ${((performance.now() - from) / 1000).toFixed(1)} s\n`);
    return engine;
  });
  started.set(name, starting);
  return starting;
};
