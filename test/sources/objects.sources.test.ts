/** Objects of a bucket, on an emulator of the npm registry; a load that ends at any call is safe to run again. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { type ObjectsSource, parseSources } from "@ebb/functions/collect/sources";
import { type ObjectsPorts, loadObjects, seenObjects } from "@ebb/functions/collect/sources/objects";
import { Clients } from "@ebb/ports/aws/clients";
import { parquetAsCsv } from "@ebb/ports/aws/parquet-csv";
import { BucketObjects } from "@ebb/ports/aws/source-bucket";
import { sourceObjectsContract } from "@ebb/ports/contracts/index";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import type { LoadEnd, SourceObjects } from "@ebb/ports/source-ports";
import { SourceProblem } from "@ebb/ports/source-ports";
import { namedObjects } from "@ebb/ports/source-readers/named-objects";
import { type Emulator, startEmulator } from "../aws/emulators.ts";
import { writeParquet } from "../engines/parquet.ts";
import { type Stores, openStores } from "../uploads/stores.ts";

const HEADER = "order_id,customer_id,order_date,product_id,quantity,unit_price\n";
const row = (order: number): string => `${order},ada,2026-01-01,tea,2,2.50\n`;
/** The same rows with types of their own. */
const parquetOf = async (...orders: readonly number[]): Promise<Uint8Array> => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-drop-"));
  try {
    const file = path.join(folder, "orders.parquet");
    const rows = orders.map((order) => `(${order})`).join(", ");
    await writeParquet(
      file,
      `SELECT CAST(i AS bigint) AS order_id, 'ada' AS customer_id, TIMESTAMP '2026-01-01' AS order_date, 'tea' AS product_id,
         2.0::DOUBLE AS quantity, 2.5::DECIMAL(9, 2) AS unit_price FROM (VALUES ${rows}) t(i)`,
    );
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
const LATER = Date.now() + 3_600_000;

const declared = (prefix: string): ObjectsSource => {
  const [source] = parseSources({
    connections: { drops: { kind: "objects", bucket: "drops" } },
    sources: [{ name: "drops", connection: "drops", prefix, options: { layout: "order_lines" } }],
  });
  assert.ok(source?.kind === "objects");
  return source.spec;
};

let emulator: Emulator;
let clients: Clients;
let buckets = 0;
before(async () => {
  process.env["AWS_ACCESS_KEY_ID"] ??= "test";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
  emulator = await startEmulator("fauxqs");
  clients = new Clients({ AWS_REGION: "us-east-1", AWS_ENDPOINT_URL: emulator.endpoint });
});
after(async () => {
  clients.destroy();
  await emulator.stop();
});

const newBucket = async (): Promise<{
  readonly objects: SourceObjects;
  readonly put: (key: string, body: string | Uint8Array) => Promise<void>;
}> => {
  const Bucket = `drops-${++buckets}`;
  await clients.s3.send(new CreateBucketCommand({ Bucket }));
  return {
    objects: namedObjects("drops", `the bucket ${Bucket}`, new BucketObjects(clients.s3, Bucket)),
    put: async (Key, Body) => void (await clients.s3.send(new PutObjectCommand({ Bucket, Key, Body }))),
  };
};

sourceObjectsContract("fauxqs", newBucket);

describe("a bucket that others write to", () => {
  /** The stores of a home, and a source's own. */
  const opened = async <T>(work: (stores: Stores, sources: EmbeddedSourceStore) => Promise<T>): Promise<T> => {
    const stores = await openStores({ now: () => LATER });
    const folder = mkdtempSync(path.join(tmpdir(), "ebb-drops-"));
    const sources = new EmbeddedSourceStore(folder);
    try {
      return await work(stores, sources);
    } finally {
      sources.close();
      stores.close();
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const portsOf = (stores: Stores, sources: EmbeddedSourceStore): ObjectsPorts => ({
    now: stores.ports.now,
    uploads: stores.ports.uploads,
    objects: stores.ports.objects,
    metrics: stores.ports.metrics,
    jobs: {
      processUpload: async (uploadId) =>
        await stores.process(
          { uploadId },
          stores.context(() => 9e5),
        ),
    },
    parquetAsCsv: (bytes) => parquetAsCsv(bytes, tmpdir()),
    sources,
  });
  const context = { owner: "test", remainingMs: () => Infinity };
  const load = async (ports: ObjectsPorts, from: SourceObjects): Promise<LoadEnd | undefined> =>
    await loadObjects(ports, declared("in/"), from, context);

  it("is taken once; a replaced object again; Parquet as its rows say, or refused where it is damaged", async () => {
    const bucket = await newBucket();
    await bucket.put("in/a.csv", HEADER + row(1) + row(2));
    await bucket.put("in/b.parquet", "PAR1");
    await bucket.put("in/c.parquet", await parquetOf(5, 6));
    await bucket.put("in/_SUCCESS", "");
    await bucket.put("other/c.csv", HEADER + row(3));
    await opened(async (stores, sources) => {
      const ports = portsOf(stores, sources);
      const first = await load(ports, bucket.objects);
      assert.deepEqual([first?.objects?.taken, first?.objects?.failed, first?.counts.events], [2, 1, 4]);
      assert.match(first!.objects!.failures[0]!.message, /cannot be read as Parquet/);
      const totals = stores.events().map((event) => [event.order_id, event.occurred_at, event.total_minor]);
      assert.deepEqual(
        totals.slice(2),
        totals.slice(0, 2).map(([id, ...same]) => [String(Number(id) + 4), ...same]),
      );
      assert.equal((await load(ports, bucket.objects))?.objects?.before, 3);
      await bucket.put("in/a.csv", HEADER + row(1) + row(2) + row(4));
      const second = await load(ports, bucket.objects);
      assert.deepEqual([second?.objects?.taken, second?.counts.read, second?.counts.events], [1, 3, 1]);
      assert.equal(stores.events().length, 5);
      assert.deepEqual(
        (await sources.ends("drops", 9)).map(({ outcome }) => outcome),
        ["loaded", "loaded", "loaded"],
      );
      for await (const { state, object } of seenObjects(ports, declared("in/"), bucket.objects))
        assert.equal(state, object.key.endsWith("b.parquet") ? "failed" : "taken");
    });
  });

  it("a load that ends at any call of a store is safe to run again: each object counts once", async () => {
    const bucket = await newBucket();
    for (const at of [1, 2]) await bucket.put(`in/${at}.csv`, HEADER + row(at * 2) + row(at * 2 + 1));
    let ends = 0;
    for (let killedAt = 1; killedAt < 100; killedAt++) {
      const finished = await opened(async (stores, sources) => {
        const ports = portsOf(stores, sources);
        let calls = 0;
        /** Ends before the call or behind it, by turns. */
        const mortal = <T extends object>(port: T): T =>
          new Proxy(port, {
            get: (target, name) => {
              const value: unknown = Reflect.get(target, name);
              if (typeof value !== "function") return value;
              return async (...args: unknown[]): Promise<unknown> => {
                const isLast = ++calls === Math.ceil(killedAt / 2);
                if (isLast && killedAt % 2 === 0) throw new Error("killed");
                const result: unknown = await Reflect.apply(value, target, args);
                if (isLast) throw new Error("killed");
                return result;
              };
            },
          });
        const mortalPorts = {
          ...ports,
          uploads: mortal(ports.uploads),
          objects: mortal(ports.objects),
          jobs: mortal(ports.jobs),
        };
        const alive = await load(mortalPorts, bucket.objects).then(
          () => true,
          (error: Error) => (error.message === "killed" ? false : Promise.reject(error)),
        );
        const again = await load(ports, bucket.objects);
        assert.equal((again?.objects?.taken ?? 0) + (again?.objects?.before ?? 0), 2);
        const ids = stores.events().map(({ order_id: id }) => id);
        assert.deepEqual(ids.sort(), ["2", "3", "4", "5"], `ended at ${killedAt}`);
        return alive;
      });
      if (finished) break;
      ends++;
    }
    assert.ok(ends > 12, `${ends} ends`);
  });

  it("a bucket that is not there is told by name", async () => {
    await opened(async (stores, sources) => {
      const nowhere = namedObjects("drops", "the bucket gone", new BucketObjects(clients.s3, "gone"));
      await assert.rejects(load(portsOf(stores, sources), nowhere), (error: unknown) => {
        assert.ok(error instanceof SourceProblem, String(error));
        return error.code === "no_table" && /^Source "drops": the bucket gone is not there/.test(error.message);
      });
      assert.equal((await sources.ends("drops", 1))[0]?.outcome, "failed");
    });
  });
});
