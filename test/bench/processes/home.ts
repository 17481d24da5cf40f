/** An embedded home in a process of its own, as `npm start` runs it. Ends in good order when it is told anything. */
import { startHome } from "../../../packages/home/src/home.ts";
import { answer, task, told } from "./task.ts";

const home = await startHome({
  ...task<{ readonly folder: string }>(),
  currency: "USD",
  rates: { GBP: { "2000-01-01": 1.25 } },
});
const { url, writeKey, readKey, controlToken } = home;
answer({ url, writeKey, readKey, controlToken });
await told();
await home.close();
process.disconnect();
