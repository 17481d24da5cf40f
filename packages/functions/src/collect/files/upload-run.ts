/** One run over one upload: what it works with, how far it is, and how that is kept. */
import type { Context } from "aws-lambda";
import { z } from "zod";
import type { RowContext } from "@ebb/core/files/rows";
import { layoutNamed } from "@ebb/core/files/layouts";
import { limits } from "@ebb/core/limits";
import type { Ports, SuppressionList, Upload } from "@ebb/ports";
import { TransientError } from "@ebb/ports";
import { FileShape } from "./file-shape.ts";
import { UploadOptions } from "./upload-options.ts";

/** Where processing goes on after a stop. */
export const Checkpoint = z.object({
  shape: FileShape,
  partitions: z.int(),
  /** Runs of the spool that are durable, and the place in the file up to which they go. */
  runs: z.int(),
  position: z.object({ byte: z.int(), row: z.int() }),
  /** Rows of data before that place. */
  rows: z.int(),
  /** The whole file is in the spool. */
  spooled: z.boolean(),
  /** Partitions that are done, and their sums. */
  done: z.int(),
  received: z.int(),
  accepted: z.int(),
  duplicate: z.int(),
  /** Absent where an older release began. */
  conflicting: z.int().default(0),
  quarantined: z.int(),
  /** Events appended so far: the next one's receipt number. */
  events: z.int(),
  /** Whether the log could say of every event if it was there before. */
  settled: z.boolean(),
  /** Quarantined rows by reason. */
  reasons: z.record(z.string(), z.int()),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

/** Another run took the upload over, or has it. */
export class LeaseLost extends TransientError {}

const LEASE_MS = 120_000;
const RENEW_MS = 20_000;
/** What one partition or one run of the spool may take; with less time left the work stops and is asked for again. */
const STEP_MS = 60_000;

export type UploadPorts = Pick<
  Ports,
  "now" | "pseudonyms" | "settings" | "log" | "orderBook" | "uploads" | "objects" | "jobs" | "metrics" | "suppressions"
>;

export class UploadRun {
  readonly ports: UploadPorts;
  readonly options: UploadOptions;
  #upload: Upload;
  readonly #owner: string;
  readonly #context: Pick<Context, "getRemainingTimeInMillis">;
  #renewedAtMs = 0;
  #erased: SuppressionList | undefined;

  constructor(ports: UploadPorts, upload: Upload, owner: string, context: Pick<Context, "getRemainingTimeInMillis">) {
    this.ports = ports;
    this.#upload = upload;
    this.options = UploadOptions.parse(upload.options);
    this.#owner = owner;
    this.#context = context;
  }

  get upload(): Upload {
    return this.#upload;
  }

  /** As of the last `lookForErased`. */
  get erased(): SuppressionList {
    if (this.#erased === undefined) throw new Error("nobody has looked who is erased");
    return this.#erased;
  }

  /** To be called before each part. @throws TransientError */
  async lookForErased(): Promise<SuppressionList> {
    return (this.#erased = await this.ports.suppressions.current());
  }

  get spoolPrefix(): string {
    return `spool/${this.#upload.uploadId}`;
  }

  get timeIsShort(): boolean {
    return this.#context.getRemainingTimeInMillis() < STEP_MS;
  }

  /** @throws LeaseLost */
  async lease(): Promise<void> {
    const now = this.ports.now();
    if (!(await this.ports.uploads.lease(this.#upload.uploadId, this.#owner, LEASE_MS, now)))
      throw new LeaseLost(`another run has the upload ${this.#upload.uploadId}`);
    this.#renewedAtMs = now;
  }

  /** What the run before this one left. */
  async reload(): Promise<Upload> {
    return (this.#upload = (await this.ports.uploads.get(this.#upload.uploadId)) ?? this.#upload);
  }

  /** Keeps the lease through long steps. @throws LeaseLost */
  async keepLease(): Promise<void> {
    if (this.ports.now() - this.#renewedAtMs > RENEW_MS) await this.lease();
  }

  /** A lease that ends now: the next run need not wait. */
  async release(): Promise<void> {
    await this.ports.uploads.lease(this.#upload.uploadId, this.#owner, 0, this.ports.now());
  }

  /** Writes changes of the upload, if it is still this run's to write. @throws LeaseLost */
  async save(changes: Partial<Upload>): Promise<void> {
    await this.lease();
    this.#upload = { ...this.#upload, ...changes, updatedAtMs: this.ports.now() };
    await this.ports.uploads.put(this.#upload);
  }

  rowContext(shape: FileShape): RowContext {
    const { rates } = this.ports.settings;
    const layout = layoutNamed(shape.layout);
    if (layout === undefined) throw new Error(`the layout ${shape.layout} is gone`);
    const { date_format: dates } = this.options;
    const rated = (currency: string | undefined): string | undefined =>
      currency !== undefined && (currency === rates.reportingCurrency || Object.hasOwn(rates.rates, currency))
        ? currency
        : undefined;
    return {
      source: this.#upload.source,
      layout,
      columns: shape.columns,
      pseudonyms: this.ports.pseudonyms,
      rates,
      decimalComma: this.options.decimal === ",",
      dates: {
        slashes: dates === "mdy" || dates === "dmy" ? dates : dates === "iso" ? undefined : layout.slashDates,
        serials: shape.serials ?? (dates === "excel" ? 1900 : undefined),
      },
      currency: this.options.currency ?? rated(layout.currency) ?? rates.reportingCurrency,
      latestMs: this.#upload.createdAtMs + limits.futureMs,
    };
  }
}
