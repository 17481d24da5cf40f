import { it } from "node:test";
import { eraseUnderKills } from "./killed.ts";

it("an erasure whose home is killed at twelve points of it completes with the start after", async () => {
  await eraseUnderKills([0, 100, 300, 600, 900, 1_200, 1_600, 2_000, 2_400, 2_800, 3_200, 3_600]);
});
