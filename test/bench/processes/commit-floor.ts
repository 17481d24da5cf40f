/** The floor under latency: one order of ten lines committed to a WAL SQLite file, alone, `synchronous=FULL`. */
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { orderBodies } from "../bodies.ts";
import { lastAnswer, task } from "./task.ts";

const { folder, commits } = task<{ readonly folder: string; readonly commits: number }>();
const bodies = orderBodies({ orders: commits, customers: 1_000, run: "commit", batch: 1 });
const db = new DatabaseSync(path.join(folder, "commits.db"));
db.exec(
  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB)",
);
const insert = db.prepare("INSERT INTO bodies (body) VALUES (?)");
const commitMs = bodies.map((body) => {
  const startedMs = performance.now();
  insert.run(body);
  return performance.now() - startedMs;
});
db.close();
lastAnswer({ commitMs });
