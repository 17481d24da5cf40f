/** Every place in AWS that holds people and that a function can empty, in the order in which they are emptied. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DeleteItemCommand, paginateQuery } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  PutObjectCommand,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { Removal } from "@ebb/core/erasure";
import type { AnonymousKey } from "@ebb/core/ids";
import type { BatchJob, JobRunner } from "../batch-ports.ts";
import { type ErasedObjects, documentsEraser } from "../erase-documents.ts";
import { type Eraser, type LinkedVisitors, type Subject, setsOf } from "../erasure-ports.ts";
import { PersonFinder } from "../person-finder.ts";
import { type ProfileStore, type QueryEngine, type SqlValue, TransientError } from "../ports.ts";
import { type Item, WIDTH, text } from "./dynamo.ts";
import { sourceReadsEraser } from "./erase-source-reads.ts";
import { sourceTablesEraser } from "./erase-source-tables.ts";
import { calling, chunksOf, mapLimit } from "./errors.ts";

const removalOf = (store: string, count: number): Removal[] => (count === 0 ? [] : [{ store, count }]);

export interface AwsEraserParts {
  readonly dynamo: DynamoDBClient;
  readonly s3: S3Client;
  readonly tables: { readonly customers: string; readonly profiles: string; readonly orderBook: string };
  readonly buckets: { readonly quarantine: string; readonly orderBook: string };
  readonly profiles: ProfileStore;
  /** The lake's objects. */
  readonly documents: ErasedObjects;
  readonly runner: JobRunner;
  /** Over the tables that sources fill. */
  readonly queries: QueryEngine;
  readonly now: () => number;
}

export const awsErasers = (parts: AwsEraserParts): readonly Eraser[] => [
  quarantineEraser(parts),
  orderBookEraser(parts), // found by the customers' orders, so before them
  customersEraser(parts),
  rawEventsEraser(parts),
  tablesEraser(parts),
  sourceReadsEraser(parts.documents), // a load makes its staged rows of them
  sourceTablesEraser({ queries: parts.queries, objects: parts.documents }),
  documentsEraser(parts.documents, ["models/", "reports/"]),
  profilesEraser(parts),
];

// ── DynamoDB ───────────────────────────────────────────────────────────────────────────────────────────────────────

const AGGREGATE_OR_ORDER = "pk, sk, #key";

/** Keys of all items of one customer: the aggregate, the orders, the scores. */
const itemsOf = async ({ dynamo, tables }: AwsEraserParts, customerKey: string): Promise<Item[]> => {
  const items: Item[] = [];
  const pages = paginateQuery(
    { client: dynamo },
    {
      TableName: tables.customers,
      KeyConditionExpression: "pk = :customer",
      ExpressionAttributeValues: { ":customer": { S: customerKey } },
      ExpressionAttributeNames: { "#key": "key" },
      ProjectionExpression: AGGREGATE_OR_ORDER,
      ConsistentRead: true,
    },
  )[Symbol.asyncIterator]();
  for (;;) {
    const page = await calling("looking for a customer", () => pages.next());
    if (page.done === true) return items;
    items.push(...(page.value.Items ?? []));
  }
};

const remove = (parts: AwsEraserParts, table: string, key: Item) =>
  calling("erasing an item", () =>
    parts.dynamo.send(new DeleteItemCommand({ TableName: table, Key: key, ReturnValues: "ALL_OLD" })),
  );

const customersEraser = (parts: AwsEraserParts): Eraser => ({
  name: "customer store",
  survey: async (subjects) => {
    const counts = await mapLimit(subjects, WIDTH, async (each) => (await itemsOf(parts, each.customerKey)).length);
    return removalOf("customers, orders and scores", sum(counts));
  },
  erase: async (subjects) => {
    for (const { customerKey } of subjects) {
      const items = await itemsOf(parts, customerKey);
      // The aggregate last: while it is there, its orders are found.
      items.sort((a, b) => (text(a, "sk") === "C" ? 1 : 0) - (text(b, "sk") === "C" ? 1 : 0));
      await mapLimit(items, WIDTH, ({ pk, sk }) => remove(parts, parts.tables.customers, { pk: pk!, sk: sk! }));
    }
  },
});

const sum = (counts: readonly number[]): number => counts.reduce((total, each) => total + each, 0);

/** The order book knows an order as `source␟customer␟order`; the customer store as `source␟order`. */
const bookKeysOf = async (parts: AwsEraserParts, subjects: readonly Subject[]): Promise<Item[]> => {
  const keys = await mapLimit(subjects, WIDTH, async ({ customerKey }) =>
    (await itemsOf(parts, customerKey)).flatMap((item): Item[] => {
      const sortKey = text(item, "sk");
      const orderKey = item["key"]?.S ?? (sortKey.startsWith("O#") ? sortKey.slice(2) : undefined);
      if (orderKey === undefined) return [];
      const [source, order, refund] = orderKey.split("\u001f");
      return [{ pk: { S: [source, customerKey, order === "" ? refund : order].join("\u001f") } }];
    }),
  );
  return keys.flat();
};

const orderBookEraser = (parts: AwsEraserParts): Eraser => ({
  name: "order book",
  survey: async () => [], // what is there is known when it is removed: an order of HTTP is in no book
  erase: async (subjects) => {
    await mapLimit(await bookKeysOf(parts, subjects), WIDTH, async (key) => {
      const { Attributes } = await remove(parts, parts.tables.orderBook, key);
      const object = Attributes?.["object"]?.S;
      if (object !== undefined) await removeVersions(parts.s3, parts.buckets.orderBook, object);
    });
  },
});

const profilesEraser = (parts: AwsEraserParts): Eraser => ({
  name: "profiles and ids",
  survey: async (subjects) => {
    const found = await mapLimit(subjects, WIDTH, async (each) => parts.profiles.get(each.customerKey));
    return removalOf("profiles and ids", found.filter((each) => each !== undefined).length);
  },
  erase: async (subjects) =>
    void (await mapLimit(subjects, WIDTH, ({ customerKey }) =>
      remove(parts, parts.tables.profiles, { pk: { S: customerKey } }),
    )),
});

// ── S3 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every version of an object, and its delete markers: in a versioned bucket a deletion alone leaves the bytes. */
export const removeVersions = async (s3: S3Client, bucket: string, key: string): Promise<number> => {
  const versions: { Key: string; VersionId: string }[] = [];
  for (let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; marker !== undefined;) {
    const from: { KeyMarker?: string; VersionIdMarker?: string } = marker;
    const page = await calling("listing versions", () =>
      s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...from })),
    );
    for (const each of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])])
      if (each.Key === key && each.VersionId !== undefined) versions.push({ Key: key, VersionId: each.VersionId });
    const { NextKeyMarker: nextKey, NextVersionIdMarker: nextVersion } = page;
    marker =
      page.IsTruncated !== true || nextKey === undefined
        ? undefined
        : { KeyMarker: nextKey, ...(nextVersion === undefined ? {} : { VersionIdMarker: nextVersion }) };
  }
  for (const chunk of chunksOf(versions, 1_000)) {
    const { Errors = [] } = await calling("deleting versions", () =>
      s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: chunk, Quiet: true } })),
    );
    if (Errors.length > 0) throw new TransientError(`${Errors.length} versions of an object could not be deleted`);
  }
  return versions.length;
};

interface QuarantineLine {
  /** Absent in the marks of what was sent again, which tell of nobody. */
  readonly originalBase64?: string;
}

/** Refused rows that mention a subject: their reason stays, their bytes go. */
const quarantineEraser = ({ s3, buckets: { quarantine: bucket } }: AwsEraserParts): Eraser => {
  const each = async (
    subjects: readonly Subject[],
    use: (key: string, lines: readonly string[], changed: number) => Promise<void>,
  ): Promise<void> => {
    const finder = new PersonFinder(subjects);
    const pages = paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: "quarantine/" })[
      Symbol.asyncIterator
    ]();
    for (;;) {
      const page = await calling("listing the quarantine", () => pages.next());
      if (page.done === true) return;
      for (const { Key: key } of page.value.Contents ?? []) {
        const { Body } = await calling("reading the quarantine", () =>
          s3.send(new GetObjectCommand({ Bucket: bucket, Key: key })),
        );
        const before = (await Body!.transformToString()).split("\n").filter((line) => line !== "");
        let changed = 0;
        const lines = before.map((line) => {
          const item = JSON.parse(line) as QuarantineLine;
          const original = Buffer.from(item.originalBase64 ?? "", "base64");
          if (original.length === 0 || !finder.mentionedIn(original)) return line;
          changed++;
          return JSON.stringify({ ...item, originalBase64: "" });
        });
        if (changed > 0) await use(key!, lines, changed);
      }
    }
  };
  return {
    name: "quarantine",
    survey: async (subjects) => {
      let [objects, count] = [0, 0];
      await each(subjects, async (_key, _lines, changed) => {
        objects++;
        count += changed;
      });
      return count === 0 ? [] : [{ store: "quarantine", objects, count }];
    },
    // The bucket keeps no versions: what is written over is gone.
    erase: (subjects) =>
      each(subjects, async (key, lines) => {
        const Body = Buffer.from(`${lines.join("\n")}\n`);
        await calling("writing the quarantine", () =>
          s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body })),
        );
      }),
  };
};

// ── the lake ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Tables of the catalogue that have rows of people. */
const personalTables = [...batchTables, churnScores, customerScores].flatMap(({ name, columns }) =>
  ["customer_key", "anonymous_key"].filter((column) => column in columns).map((column) => ({ table: name, column })),
);

/** A Spark job takes a minute to start, and some more for the tables of years. */
const LONGEST_JOB_MS = 12 * 60_000;
const LOOK_MS = 15_000;

/**
 * Rows are deleted from the Iceberg tables, their files made anew, and every snapshot from before forgotten, so that the
 * bytes go too. In one job, within one step of the workflow: made again after a stop, it finds nothing more to delete.
 */
const tablesEraser = (parts: AwsEraserParts): Eraser => ({
  name: "tables of batch runs",
  survey: async () => [],
  erase: async (subjects) => {
    const missing = new Set(await parts.runner.unwritten([...new Set(personalTables.map(({ table }) => table))]));
    const keys = [...setsOf(subjects).erased];
    const erase = personalTables.filter(({ table }) => !missing.has(table)).map((each) => ({ ...each, keys }));
    if (erase.length === 0) return;
    await ended(parts, { name: "erase", writes: [], erase }, keys[0]!);
  },
});

/**
 * The files of raw events that hold the people are made anew by a Spark job, and put over the old ones. Those go with the
 * older versions of the bucket's objects, within the bound.
 */
const rawEventsEraser = (parts: AwsEraserParts): Eraser => ({
  name: "raw events",
  survey: async () => [],
  erase: async (subjects) => {
    const { erased, shared } = setsOf(subjects);
    const keys = [...erased];
    await ended(parts, { name: "erase-raw", writes: [], eraseRaw: { keys, shared: [...shared] } }, keys[0]!);
  },
});

/** A job that was begun before a stop and is under way is no harm: what it has done, this one does not find any more. */
const ended = async ({ runner, now }: AwsEraserParts, job: BatchJob, subject: string): Promise<void> => {
  const beganMs = now();
  const id = await runner.start(job, `${job.name}/${subject}/${beganMs}`);
  for (;;) {
    const state = await runner.state(id);
    if (state.state === "succeeded") return;
    if (state.state === "failed") throw new TransientError(`${job.name} could not be done: ${state.reason}`);
    if (now() - beganMs > LONGEST_JOB_MS) throw new TransientError(`${job.name} takes long`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
};

// ── visitors ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Customers of one query: its text is bounded. */
const CUSTOMERS_AT_ONCE = 200;

const textOf = (value: SqlValue | undefined): string => (typeof value === "string" ? value : "");

/** By the view `identities`, over the raw events. */
export const queriedVisitors = (queries: QueryEngine): LinkedVisitors => ({
  async of(customerKeys) {
    const own = new Set<string>(customerKeys);
    const pairs: { customer: string; anonymous: string; others: boolean }[] = [];
    for (const chunk of chunksOf(customerKeys, CUSTOMERS_AT_ONCE)) {
      const list = chunk.map((key) => queries.dialect.textLiteral(key)).join(", ");
      const { rows } = await queries.query(
        `SELECT i.anonymous_key, i.customer_key FROM identities AS i
         WHERE i.anonymous_key IN (SELECT anonymous_key FROM identities WHERE customer_key IN (${list}))`,
      );
      const byVisitor = Map.groupBy(rows, ([anonymous]) => textOf(anonymous));
      for (const [anonymous, links] of byVisitor) {
        const customers = links.map(([, customer]) => textOf(customer));
        const others = customers.some((customer) => !own.has(customer));
        for (const customer of customers) if (own.has(customer)) pairs.push({ customer, anonymous, others });
      }
    }
    return customerKeys.map((customerKey) => {
      const linked = pairs.filter(({ customer }) => customer === customerKey);
      const keys = (others: boolean) =>
        linked.filter((each) => each.others === others).map(({ anonymous }) => anonymous as AnonymousKey);
      return { customerKey, anonymousKeys: keys(false), sharedAnonymousKeys: keys(true) };
    });
  },
});
