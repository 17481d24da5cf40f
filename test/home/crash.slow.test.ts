import { test } from "node:test";
import { crashJourney } from "./crash-journey.ts";

test("killed at 50 random moments while orders and files come in, nothing acknowledged is lost and nothing counted twice", async () => {
  await crashJourney({ seed: 20_261_121, kills: 50, longestLifeMs: 1_500, fileOrders: 2_000 });
});
