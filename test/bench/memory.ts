import { watchMemory } from "./child.ts";
import { BenchHome } from "./home.ts";
import { type Bench, megabytes, perSecond, seconds } from "./result.ts";
import { send } from "./upload.ts";
import { Random } from "../../packages/home/src/shop/random.ts";

const TARGET_BYTES = 500_000_000;
const CHUNK_ROWS = 2_000;

/** The resident memory of the home while it takes a file of order lines that is larger than it may hold. */
export const memory: Bench = async ({ quick }) => {
  const wantedBytes = quick ? 20_000_000 : 2_000_000_000;
  const home = await BenchHome.start();
  try {
    const peakOf = watchMemory(home.child.pid);
    const restBytes = peakOf();
    const watched = watchMemory(home.child.pid);
    const startedMs = performance.now();
    const { received } = await send(home, "generated.csv", orderLines(wantedBytes));
    await home.settle();
    const wallMs = performance.now() - startedMs;
    const peakBytes = watched();
    return {
      name: "memory",
      title: "Memory of the home during an upload of 2 GB",
      method:
        `A generated file of order lines (${megabytes(wantedBytes)}, orders of one to ten lines, a tenth of the lines far from ` +
        "the rest of their order) sent as it is made; the resident memory of the home's process tree, looked at every 100 ms.",
      figures: [
        { what: "peak", value: megabytes(peakBytes) },
        { what: "before", value: megabytes(restBytes) },
        { what: "peak ÷ size of the file", value: (peakBytes / wantedBytes).toFixed(3) },
        { what: "rows", value: received.toLocaleString("en") },
        { what: "until all was complete", value: `${seconds(wallMs)} (${perSecond(received, wallMs)})` },
      ],
      target: { what: `peak under ${megabytes(TARGET_BYTES)}`, met: peakBytes < TARGET_BYTES },
    };
  } finally {
    await home.stop();
  }
};

/** A CSV of order lines of about a given size, made as it is read. */
const orderLines = (wantedBytes: number): ReadableStream<Uint8Array> => {
  const random = new Random("bench", "memory");
  let sentBytes = 0;
  let order = 0;
  let line = 0;
  let linesOfOrder = 0;
  /** Lines that come about a chunk after their order. */
  let later: string[] = [];
  const rowOf = (): string => {
    if (line === linesOfOrder) {
      order++;
      line = 0;
      linesOfOrder = random.integer(1, 10);
    }
    line++;
    const product = random.integer(1, 5_000);
    const price = ((199 + ((product * 37) % 9_000)) / 100).toFixed(2);
    const at = new Date(Date.UTC(2024, 0, 1) + order * 1_000).toISOString();
    const names = `Product number ${product},Category ${product % 12}`;
    return `o-${order},c-${(order * 7_919) % 200_000},${at},P${product},${names},${1 + (line % 3)},${price},USD\n`;
  };
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sentBytes >= wantedBytes) return controller.close();
      const header = "order_id,customer_id,occurred_at,product_id,name,category,quantity,unit_price,currency\n";
      let text = (sentBytes === 0 ? header : "") + later.join("");
      later = [];
      for (let row = 0; row < CHUNK_ROWS; row++) {
        if (random.chance(0.1)) later.push(rowOf());
        else text += rowOf();
      }
      const chunk = Buffer.from(text);
      sentBytes += chunk.length;
      if (sentBytes >= wantedBytes) later = [];
      controller.enqueue(chunk);
    },
  });
};
