/** Everything a run leaves behind, in a form that can be compared. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WRITTEN_TABLES_KEY } from "@ebb/functions/model/written-tables";
import { batchTables } from "@ebb/ports/embedded/batch-manifest";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";

const rows = (folder: string, file: string, sql: string): unknown[] => {
  const db = new DatabaseSync(path.join(folder, file), { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
};

/** Objects by their bytes, tables by their rows, scores, cut points, and the trail without its times. */
export const outputsOf = async (folder: string, runId: string): Promise<Record<string, unknown>> => {
  const objects = new EmbeddedObjectStore(path.join(folder, "objects"));
  const outputs: Record<string, unknown> = {};
  for (const prefix of ["models/", "reports/"])
    for await (const key of objects.list(prefix))
      // Holds the instant until which all has arrived: each run has its own.
      if (key !== WRITTEN_TABLES_KEY)
        outputs[key] = createHash("sha256")
          .update(readFileSync(path.join(folder, "objects", key)))
          .digest("hex");
  const lake = path.join(folder, "lake");
  const engine = await DuckDbQueryEngine.open({ folder: lake });
  try {
    for (const { name } of batchTables(lake)) {
      // The sum of the rows' hashes does not depend on their order.
      const { rows: found } = await engine.query(
        `SELECT count(*), CAST(sum(CAST(hash(t) AS HUGEINT)) AS VARCHAR) FROM (SELECT * FROM ${name}) AS t`,
      );
      outputs[`table ${name}`] = found[0]!.map(String);
    }
  } finally {
    engine.close();
  }
  outputs["scores"] = rows(folder, "scores.db", "SELECT * FROM scores ORDER BY customer_key");
  outputs["cut points"] = rows(folder, "customers.db", "SELECT value FROM published WHERE name = 'cut-points'");
  const runs = new EmbeddedRunStore(folder);
  const run = await runs.get(runId);
  runs.close();
  outputs["trail"] = [run?.state, run?.steps.map(({ name, state, figures }) => [name, state, figures])];
  return outputs;
};
