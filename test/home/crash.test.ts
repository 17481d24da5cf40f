import { test } from "node:test";
import { crashJourney } from "./crash-journey.ts";

test("killed three times while orders and files come in, nothing acknowledged is lost and nothing counted twice", async () => {
  await crashJourney({ seed: 1, kills: 3, longestLifeMs: 900, fileOrders: 400 });
});
