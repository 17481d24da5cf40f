import { it } from "node:test";
import { eraseUnderKills } from "./killed.ts";

it("an erasure whose home is killed twice while it is at work completes with the next start", async () => {
  await eraseUnderKills([0, 1_500]);
});
