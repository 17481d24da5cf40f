/**
 * One load of a source of rows: pages (of a database in the order of watermark and key, out of one look at it), staged as
 * they come, a checkpoint after each; then one commit that readers see whole. Safe to run again after a stop at any
 * instant: it goes on behind the last checkpoint.
 */
import { digest } from "@ebb/core/ids";
import type { Ports } from "@ebb/ports";
import type { Suppressions } from "@ebb/ports/erasure-ports";
import {
  type LoadEnd,
  type LoadUnderWay,
  type Position,
  type ReadPlan,
  type Row,
  type RowReader,
  type SourceCommit,
  type SourceCounts,
  SourceProblem,
  type SourceField,
  type SourceState,
  type SourceStore,
  type SourceTables,
  SourceWaiting,
  StatementUnderWay,
} from "@ebb/ports/source-ports";
import { isLater, later } from "@ebb/ports/source-readers/watermark";
import type { OrderPorts } from "./order-events.ts";
import { LoadLease } from "./lease.ts";
import { PageWork } from "./page-work.ts";
import { Pages } from "./pages.ts";
import { type LoadSpec, type Shape, shapeOf } from "./shape.ts";

export interface SourcePorts extends OrderPorts, Pick<Ports, "metrics"> {
  readonly sources: SourceStore;
  readonly sourceTables: SourceTables;
  /** A database that still has somebody who was erased brings them back nowhere. */
  readonly suppressions: Pick<Suppressions, "current">;
}

export interface LoadContext {
  /** Names the process: a load that it left behind is its own. */
  readonly owner: string;
  /** Milliseconds that are left; a load that has few stops behind a checkpoint. */
  readonly remainingMs: () => number;
  /** Milliseconds that a commit may take: with fewer left it is the next call's. None where absent. */
  readonly commitMs?: number;
  readonly onProgress?: (underWay: LoadUnderWay) => void | Promise<void>;
}

/** Time that one page takes at most. */
const PAGE_MS = 60_000;
/** What a load staged is gone after seven days in AWS: one that stood still for so long begins anew. */
const STAGED_MS = 5 * 86_400_000;
/** Keys that are read in one go when deletions are looked for. */
const KEY_PAGE = 100_000;

const noCounts: SourceCounts = { read: 0, events: 0, quarantined: 0, nulled: {} };

/**
 * Loads a source. `undefined` when time ran out: the next call goes on.
 * @throws SourceProblem (the load failed, or stopped at a lost connection), SourceWaiting, TransientError, SourceBusy
 */
export const loadRows = async (
  ports: SourcePorts,
  spec: LoadSpec,
  reader: RowReader,
  context: LoadContext,
): Promise<LoadEnd | undefined> => {
  const lease = await LoadLease.take(ports, spec.name, context.owner);
  try {
    return await new Load(ports, shapeOf(spec), reader, context, lease).run();
  } finally {
    await lease.release();
  }
};

class Load {
  readonly #ports: SourcePorts;
  readonly #shape: Shape;
  readonly #reader: RowReader;
  readonly #context: LoadContext;
  readonly #lease: LoadLease;
  readonly #pages: Pages;

  constructor(ports: SourcePorts, shape: Shape, reader: RowReader, context: LoadContext, lease: LoadLease) {
    this.#ports = ports;
    this.#shape = shape;
    this.#reader = reader;
    this.#pages = new Pages(shape, reader);
    this.#context = context;
    this.#lease = lease;
  }

  async run(): Promise<LoadEnd | undefined> {
    const { sources, sourceTables, metrics } = this.#ports;
    const { name } = this.#shape.spec;
    let state: SourceState = (await sources.get(name)) ?? { name, generation: 0 };
    try {
      const [fields, lineFields] = await this.#describe(state);
      state = await this.#begin(state, fields);
      const work = new PageWork(this.#ports, this.#shape, fields, lineFields, state);
      const isCommitAlone = state.underWay!.complete === true;
      while (state.underWay!.complete !== true) {
        if (this.#context.remainingMs() < PAGE_MS) return undefined;
        state = await this.#page(state, work);
        const { complete, parts } = state.underWay!;
        if (complete === undefined) sourceTables.settled?.(work.commitOf(state.underWay!), parts);
      }
      // A call that found everything read has all its time for the commit.
      if (!isCommitAlone && this.#context.remainingMs() < (this.#context.commitMs ?? 0)) return undefined;
      return await this.#lease.during(() => this.#finish(state, work, [...fields, ...lineFields]));
    } catch (error) {
      if (error instanceof SourceWaiting) throw error;
      if (error instanceof StatementUnderWay) return undefined;
      metrics.count("SourceLoadsFailed", 1, { source: name });
      if (error instanceof SourceProblem && !error.mayRetry) await this.#fail(error);
      throw error;
    } finally {
      this.#pages.abandon();
      if (state.underWay !== undefined) await sourceTables.stopped?.(state.underWay.loadId);
    }
  }

  /** The fields as they are now. @throws SourceProblem for one whose column in the lake would be another */
  async #describe(state: SourceState): Promise<[readonly SourceField[], readonly SourceField[]]> {
    const { plan, linesPlan, spec, digest: now } = this.#shape;
    const fields = await this.#reader.describe(plan);
    const lines = linesPlan === undefined ? [] : await this.#reader.describe(linesPlan);
    const plain = [...spec.key, ...(spec.watermark === undefined ? [] : [spec.watermark.field])];
    for (const field of fields)
      if (plain.includes(field.name) && /^(?:bytea|blob|binary|bit|json|float|double|real|.*\[\])/.test(field.type))
        throw new SourceProblem(
          "unsupported",
          spec.name,
          `the field ${field.name} (${field.type}) cannot be a key or a watermark: it has no order that can be written down.`,
          { field: field.name },
        );
    if (state.plan !== now) return [fields, lines];
    for (const [index, field] of [...fields, ...lines].entries()) {
      const before = state.fields?.[index];
      if (before === undefined || before.lake === field.lake) continue;
      throw new SourceProblem(
        "type_changed",
        spec.name,
        `the field ${field.name} was ${before.type} and is now ${field.type}; its column in the lake is ${before.lake}. npx ebb sources accept ${spec.name} takes the new type and reads everything again.`,
        { field: field.name },
      );
    }
    return [fields, lines];
  }

  /** The load that is under way, or a new one; the look at the database begins where rows or keys are still to be read. */
  async #begin(state: SourceState, fields: readonly SourceField[]): Promise<SourceState> {
    const { plan, spec, digest: now } = this.#shape;
    const { sources } = this.#ports;
    const stopped = state.underWay;
    const goesOn = stopped?.plan === now && this.#ports.now() - stopped.startedAtMs < STAGED_MS;
    // No transaction of the database's is open while statements of a commit are waited for.
    const { clock } = goesOn && stopped.removed !== undefined ? {} : await this.#reader.begin(plan);
    if (goesOn) return await this.#save({ ...state, underWay: { ...stopped, attempts: stopped.attempts + 1 } });
    if (stopped !== undefined) await this.#discard(stopped.loadId);
    const startedAtMs = this.#ports.now();
    // Another declaration, or one whose fields changed: what is in the lake has other columns.
    const whole = spec.mode === "snapshot" || state.watermark === undefined || state.plan !== now;
    const since = whole ? undefined : await this.#reader.before(plan, state.watermark, this.#overlap(fields));
    const underWay: LoadUnderWay = {
      loadId: `load_${digest(spec.name, startedAtMs, state.generation)}`,
      plan: now,
      startedAtMs,
      attempts: 1,
      ...(clock === undefined ? {} : { clock }),
      ...(since === undefined ? {} : { since }),
      parts: 0,
      counts: noCounts,
    };
    await sources.get(spec.name);
    return await this.#save({ ...state, underWay });
  }

  #overlap(fields: readonly SourceField[]): number {
    const { watermark } = this.#shape.spec;
    if (watermark === undefined) return 0;
    const { field, overlap } = watermark;
    const { lake } = fields.find(({ name }) => name === field)!;
    // A day is the finest that a date tells.
    return lake === "date" ? Math.max(overlap, 86_400) : overlap;
  }

  async #page(state: SourceState, work: PageWork): Promise<SourceState> {
    const { spec, plan } = this.#shape;
    const underWay = state.underWay!;
    const { since, after: from, loadId } = underWay;
    const page = { since, after: from, limit: spec.page, loadId };
    await this.#reader.prepare?.(plan, page);
    const done = await this.#pages.take(work, underWay, page);
    const end = this.#pages.endOf(done);
    const passed = (underWay.counts.passed ?? 0) + end.passed;
    const counts: SourceCounts = {
      read: underWay.counts.read + done.rows,
      events: underWay.counts.events + done.events,
      quarantined: underWay.counts.quarantined + done.quarantined,
      nulled: added(underWay.counts.nulled, done.nulled),
      ...(passed === 0 ? {} : { passed }),
    };
    this.#ports.metrics.count("SourceRowsRead", done.rows, { source: spec.name });
    await this.#lease.keep();
    const after = end.after ?? from;
    const seen = later(underWay.seen, after?.watermark ?? undefined);
    return await this.#save({
      ...state,
      underWay: {
        ...underWay,
        parts: underWay.parts + 1,
        counts,
        ...(after === undefined ? {} : { after }),
        ...(seen === undefined ? {} : { seen }),
        ...(end.complete ? { complete: true } : {}),
      },
    });
  }

  async #finish(state: SourceState, work: PageWork, fields: readonly SourceField[]): Promise<LoadEnd> {
    const { spec, digest: now } = this.#shape;
    const { sources, sourceTables, metrics } = this.#ports;
    const commit = work.commitOf(state.underWay!);
    const committing = await this.#prepare(state, work, commit);
    const tables = await sourceTables.commit(commit, this.#context.remainingMs);
    const underWay = committing.underWay!;
    const counts = { ...underWay.counts, events: underWay.counts.events + (underWay.removed ?? 0) };
    const { loadId, startedAtMs, attempts } = underWay;
    const end: LoadEnd = {
      loadId,
      startedAtMs,
      endedAtMs: this.#ports.now(),
      attempts,
      outcome: "loaded",
      counts,
      tables,
    };
    const watermark = earlier(underWay.seen ?? state.watermark, underWay.clock);
    const { underWay: _, ...rest } = state;
    await sources.put({
      ...rest,
      generation: state.generation + 1,
      plan: now,
      fields,
      loadedAtMs: end.endedAtMs,
      ...(watermark === undefined ? {} : { watermark }),
    });
    await sources.ended(spec.name, end);
    await this.#discard(loadId);
    metrics.count("SourceLoadsDone", 1, { source: spec.name });
    return end;
  }

  /**
   * What a commit needs is done once: a call that only waits for its statements must not change what they read.
   * @throws StatementUnderWay
   */
  async #prepare(state: SourceState, work: PageWork, commit: SourceCommit): Promise<SourceState> {
    let underWay = state.underWay!;
    if (commit.keysStaged && underWay.keysStaged !== true) {
      await this.#ports.sourceTables.stageKeys(underWay.loadId, commit.table, this.#keys(work));
      underWay = { ...underWay, keysStaged: true };
      await this.#save({ ...state, underWay });
    }
    if (underWay.removed !== undefined) return state;
    const removed = await work.tellRemoved(commit, this.#context.remainingMs);
    return await this.#save({ ...state, underWay: { ...underWay, removed } });
  }

  /** Every key there is, as the lake has it. */
  async *#keys(work: PageWork): AsyncIterable<readonly Row[]> {
    const { plan } = this.#shape;
    const { watermark: _, ...rest } = plan;
    const keys: ReadPlan = { ...rest, fields: plan.key };
    for (let after: Position | undefined; ;) {
      let rows = 0;
      let last: Row | undefined;
      for await (const block of this.#reader.page(keys, { after, limit: KEY_PAGE })) {
        rows += block.length;
        last = block.at(-1) ?? last;
        yield work.keysOf(block);
      }
      await this.#lease.keep();
      if (rows < KEY_PAGE) return;
      after = { key: last as string[] };
    }
  }

  /** A fault that trying again does not mend: nothing of the load is kept. */
  async #fail(problem: SourceProblem): Promise<void> {
    const { sources } = this.#ports;
    const { name } = this.#shape.spec;
    const state = await sources.get(name);
    const underWay = state?.underWay;
    const nowMs = this.#ports.now();
    await sources.ended(name, {
      loadId: underWay?.loadId ?? "",
      startedAtMs: underWay?.startedAtMs ?? nowMs,
      endedAtMs: nowMs,
      attempts: underWay?.attempts ?? 1,
      outcome: "failed",
      counts: underWay?.counts ?? noCounts,
      problem: { code: problem.code, message: problem.message, field: problem.field },
    });
    if (state === undefined || underWay === undefined) return;
    await this.#discard(underWay.loadId);
    const { underWay: _, ...rest } = state;
    await sources.put(rest);
  }

  async #discard(loadId: string): Promise<void> {
    await this.#ports.sourceTables.discard(loadId);
    await this.#reader.discard?.(loadId);
  }

  async #save(state: SourceState): Promise<SourceState> {
    await this.#ports.sources.put(state);
    await this.#context.onProgress?.(state.underWay!);
    return state;
  }
}

const added = (a: SourceCounts["nulled"], b: SourceCounts["nulled"]): SourceCounts["nulled"] => {
  const sums: Record<string, number> = { ...a };
  for (const [field, count] of Object.entries(b)) sums[field] = (sums[field] ?? 0) + count;
  return sums;
};

/** A row with a time ahead of the database's clock must not hide what is written until then. */
const earlier = (watermark: string | undefined, clock: string | undefined): string | undefined =>
  watermark === undefined || clock === undefined || !isLater(watermark, clock) ? watermark : clock;
