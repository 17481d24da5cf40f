/**
 * Writes docs/events.md from the event definitions. `--check` writes nothing and fails where the page is not up to date.
 *
 * Usage: node scripts/events.ts [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { eventsPage } from "../packages/functions/src/serve/openapi/markdown.ts";

const file = path.join(path.dirname(import.meta.dirname), "docs/events.md");
const page = eventsPage();
if (!process.argv.includes("--check")) writeFileSync(file, page);
else if (readFileSync(file, "utf8") !== page) {
  console.error("docs/events.md is not what the definitions say: node scripts/events.ts");
  process.exit(1);
}
