import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { evaluateStacks, type ResourceGraph } from "./evaluate.ts";

let graph: ResourceGraph;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
});

interface Rule {
  readonly id: string;
  readonly status: string;
  readonly filter: { readonly prefix: string };
  readonly transitions?: readonly { readonly days: number; readonly storageClass: string }[];
  readonly expiration?: { readonly days?: number };
  readonly noncurrentVersionExpiration?: { readonly noncurrentDays: number };
  readonly abortIncompleteMultipartUpload?: { readonly daysAfterInitiation: number };
}
const rulesOf = (bucket: string): readonly Rule[] => {
  const [lifecycle, ...others] = graph
    .ofType("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    .filter(({ inputs }) => inputs["bucket"] === bucket);
  assert.ok(lifecycle !== undefined, `${bucket} has no lifecycle`);
  assert.equal(others.length, 0, "S3 keeps one lifecycle a bucket: a second replaces the first");
  return lifecycle.inputs["rules"] as Rule[];
};
const rule = (bucket: string, id: string): Rule => {
  const found = rulesOf(bucket).find((each) => each.id === id);
  assert.ok(found !== undefined, `${bucket} has no rule ${id}`);
  assert.equal(found.status, "Enabled");
  return found;
};

describe("what is kept, and for how long", () => {
  it("raw events go from Standard to Infrequent Access to Glacier Instant Retrieval and expire", () => {
    const raw = rule("LakeBucket", "raw-events");
    assert.equal(raw.filter.prefix, "raw_events/");
    assert.deepEqual(
      raw.transitions?.map(({ storageClass }) => storageClass),
      ["STANDARD_IA", "GLACIER_IR"],
    );
    const [first, second] = raw.transitions.map(({ days }) => days);
    assert.ok(first! >= 30, "S3 takes no transition to Infrequent Access before 30 days");
    assert.ok(second! - first! >= 30, "an object is billed for 30 days of Infrequent Access in any case");
    assert.ok(raw.expiration!.days! - second! >= 90, "and for 90 days of Glacier Instant Retrieval");
  });

  it("nothing else in the lake expires but failed conversions after 30 days, and what jobs leave behind", () => {
    const expiring = rulesOf("LakeBucket").filter(({ expiration }) => expiration?.days !== undefined);
    assert.deepEqual(expiring.map(({ id }) => id).sort(), [
      "exports",
      "failed",
      "jobs",
      "raw-events",
      "reads",
      "staged",
    ]);
    assert.equal(rule("LakeBucket", "failed").expiration?.days, 30);
    assert.equal(rule("LakeBucket", "jobs").expiration?.days, 30);
    assert.equal(rule("LakeBucket", "exports").expiration?.days, 7);
    assert.equal(rule("LakeBucket", "staged").expiration?.days, 7);
    assert.equal(rule("LakeBucket", "reads").expiration?.days, 7);
    assert.deepEqual(
      ["tables", "models", "reports"].map((id) => rule("LakeBucket", id).expiration),
      [undefined, undefined, undefined],
    );
  });

  it("kept originals are gone after 7 days, refused rows and dead letters after 30, query results after 7", () => {
    const days = (bucket: string): (number | undefined)[] =>
      rulesOf(bucket).flatMap(({ expiration }) => (expiration?.days === undefined ? [] : [expiration.days]));
    assert.deepEqual(days("UploadFilesBucket"), [7]);
    assert.equal(rule("UploadFilesBucket", "kept-originals").filter.prefix, "");
    assert.deepEqual(days("QuarantineBucket"), [30]);
    assert.equal(rule("QuarantineBucket", "quarantine").filter.prefix, "quarantine/");
    assert.deepEqual(days("DeadLettersBucket"), [30]);
    assert.deepEqual(days("QueryResultsBucket"), [7]);
  });

  it("the order book never expires, for it is state", () => {
    assert.deepEqual(
      rulesOf("OrderBookFilesBucket").filter(({ expiration }) => expiration?.days !== undefined),
      [],
    );
  });

  it("the lake and the order book keep versions, and older ones are gone within 30 days; nothing else keeps any", () => {
    const versioned = graph.ofType("aws:s3/bucketVersioning:BucketVersioning").map(({ inputs }) => inputs["bucket"]);
    assert.deepEqual(versioned.sort(), ["LakeBucket", "OrderBookFilesBucket"]);
    for (const each of rulesOf("LakeBucket").filter(({ id }) => id !== "leftovers"))
      // What Spark read for a load names people as their database does.
      assert.equal(each.noncurrentVersionExpiration?.noncurrentDays, each.id === "reads" ? 1 : 30, each.id);
    assert.equal(rule("OrderBookFilesBucket", "order-book").noncurrentVersionExpiration?.noncurrentDays, 30);
  });

  it("parts of an upload that was never finished are gone in every bucket", () => {
    // The dashboard's files are put there by SST, whole.
    for (const { name } of graph.ofType("aws:s3/bucket:Bucket").filter((one) => one.name !== "DashboardAssetsBucket"))
      assert.equal(rule(name, "leftovers").abortIncompleteMultipartUpload?.daysAfterInitiation, 2);
  });

  it("tables can be set back to any second of 30 days, the bound of an erasure, and no further", () => {
    for (const { name, inputs } of graph.ofType("aws:dynamodb/table:Table"))
      assert.deepEqual(inputs["pointInTimeRecovery"], { enabled: true, recoveryPeriodInDays: 30 }, name);
  });

  it("the stream keeps seven days, on demand", () => {
    const { inputs } = graph.one("aws:kinesis/stream:Stream");
    assert.equal(inputs["retentionPeriod"], 168);
    assert.deepEqual(inputs["streamModeDetails"], { streamMode: "ON_DEMAND" });
  });

  it("no log is kept for ever", () => {
    for (const { name, inputs } of graph.ofType("aws:cloudwatch/logGroup:LogGroup")) {
      const days = inputs["retentionInDays"] as number;
      assert.ok(days > 0 && days <= 90, `${name}: ${days}`);
    }
  });
});
