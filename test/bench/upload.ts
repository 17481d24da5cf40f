import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { once } from "node:events";
import { z } from "zod";
import { Child, cpuSeconds } from "./child.ts";
import { BenchHome } from "./home.ts";
import type { Parsed } from "./processes/papaparse.ts";
import { type Bench, perSecond, seconds } from "./result.ts";

const TARGET = 12;

export const dataFile = (name: string): string =>
  path.join(process.env["EBB_TEST_DATA"] ?? path.resolve(import.meta.dirname, "../../../shared/data"), name);

const Opened = z.object({
  upload_id: z.string(),
  upload: z.object({ method: z.literal("PUT"), url: z.url(), headers: z.record(z.string(), z.string()) }),
});
const State = z.object({
  state: z.string(),
  problem: z.unknown().optional(),
  ledger: z.object({ received: z.number(), accepted: z.number() }).optional(),
});

/** From the POST that opens the upload until RFM and lake are complete, against papaparse over the same text. */
export const upload: Bench = async ({ quick }) => {
  const file = dataFile("online_retail.csv.gz");
  if (!existsSync(file)) return { name: "upload", skipped: `${file} is not there; EBB_TEST_DATA names another folder` };
  const content = gunzipSync(await readFile(file));
  const floor = new Child("papaparse", { file, times: quick ? 1 : 3 });
  const floorGone = once(floor.process, "exit");
  const { objects, arrays } = await floor.next<{ objects: Parsed; arrays: Parsed }>();
  await floorGone;

  const home = await BenchHome.start();
  try {
    const cpuBefore = cpuSeconds(home.child.pid);
    const startedMs = performance.now();
    const { received, processedMs } = await send(home, "online_retail.csv", content);
    await home.settle();
    const wallMs = performance.now() - startedMs;
    const cpuMs = (cpuSeconds(home.child.pid) - cpuBefore) * 1_000;
    const { rows } = objects;
    if (received !== rows) throw new Error(`the file has ${rows} rows; the ledger says ${received}`);
    const ratio = wallMs / objects.wallMs;
    return {
      name: "upload",
      title: "Online Retail, from POST to RFM and lake complete",
      method:
        "UCI's Online Retail as CSV (541,909 rows, 48 MB) into an empty home: opened by POST /v1/uploads, PUT to the address " +
        "it gives, until every row is accounted for, scored and in Parquet. The floor is papaparse over the same " +
        "text in memory, rows by the names of its header, the best of three (the plan reckoned with about 0.7 s). Beside " +
        "it the least that papaparse can do, rows as arrays.",
      figures: [
        { what: "papaparse", value: seconds(objects.wallMs) },
        { what: "papaparse, rows as arrays", value: seconds(arrays.wallMs) },
        { what: "home, all complete", value: `${seconds(wallMs)} (${perSecond(received, wallMs)})` },
        { what: "home, rows accounted for", value: seconds(processedMs) },
        { what: "CPU of papaparse", value: seconds(objects.cpuMs) },
        { what: "CPU of the home", value: seconds(cpuMs) },
        { what: "CPU, home ÷ papaparse", value: (cpuMs / objects.cpuMs).toFixed(1) },
        { what: "home ÷ papaparse, rows as arrays", value: (wallMs / arrays.wallMs).toFixed(1) },
        { what: "home ÷ papaparse", value: ratio.toFixed(1) },
      ],
      target: { what: `at most ${TARGET} times papaparse`, met: ratio <= TARGET },
    };
  } finally {
    await home.stop();
  }
};

/** Opens an upload, sends its content, and waits until it is processed. @throws Error when the file is refused */
export const send = async (
  home: BenchHome,
  filename: string,
  content: NonNullable<RequestInit["body"]>,
): Promise<{ received: number; processedMs: number }> => {
  const startedMs = performance.now();
  const opened = Opened.parse(await home.post("/v1/uploads", { content: "upload_url", filename }));
  const put = await fetch(opened.upload.url, {
    method: opened.upload.method,
    body: content,
    headers: opened.upload.headers,
    duplex: "half",
  });
  if (!put.ok) throw new Error(`PUT answered ${put.status}: ${(await put.text()).slice(0, 500)}`);
  for (;;) {
    const { state, problem, ledger } = State.parse(await home.get(`/v1/uploads/${opened.upload_id}`));
    if (state === "failed") throw new Error(`the upload failed: ${JSON.stringify(problem)}`);
    if (state === "done") return { received: ledger!.received, processedMs: performance.now() - startedMs };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
