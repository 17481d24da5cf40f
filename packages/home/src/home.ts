/**
 * The embedded home: the program on one machine. This thread takes requests and owns the log; the stages behind it
 * have a thread each, so that a heavy query of the lake never delays an answer.
 */
import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import path from "node:path";
import { defaultCutPoints } from "@ebb/core/rfm";
import { routes } from "@ebb/functions/declarations";
import type { RunRequest } from "@ebb/functions/model/run-request";
import { logger } from "@ebb/functions/runtime/logger";
import type { CataloguedPort } from "@ebb/functions/serve/catalogue/catalogued";
import type { QualityPorts } from "@ebb/functions/serve/quality";
import type { Ports, Run } from "@ebb/ports";
import {
  EmbeddedKeyRing,
  EmbeddedMetrics,
  type Counter,
  embeddedJobQueue,
  eventLogServer,
  openFront,
  openSecrets,
  uploadUrlIsValid,
} from "@ebb/ports/embedded";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { tightenPrivateFiles } from "@ebb/ports/embedded/private-file";
import { EmbeddedErasures } from "@ebb/ports/embedded/erasures";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";
import { takeBackup } from "@ebb/ports/embedded/backup";
import { control } from "./control.ts";
import { eraseAgain } from "./erase-again.ts";
import { EraseStage } from "./erase-stage.ts";
import { lockFolder } from "./folder-lock.ts";
import { loadHandlers, warmHandlers } from "./handlers.ts";
import { type SettingsOptions, firstKeys, removeRunning, settingsOf, writeRunning } from "./home-folder.ts";
import { commonPorts } from "./home-ports.ts";
import { HomeTasks } from "./home-tasks.ts";
import { replayTask } from "./home-replay.ts";
import { homeMeasures } from "./home-measures.ts";
import { DiskWatch, homeVitals } from "./home-vitals.ts";
import { HttpServer } from "./http-server.ts";
import { ModelStage } from "./model-stage.ts";
import { Progress } from "./progress.ts";
import { homePulse } from "./pulse.ts";
import { openQueries } from "./queries.ts";
import { catalogued, sourceLoads } from "./told-tables.ts";
import type { RunClock } from "./run-clock.ts";
import { site } from "./site.ts";
import { SourcesStage } from "./sources-stage.ts";
import { Stages } from "./stages.ts";

export interface HomeOptions extends SettingsOptions {
  /** Everything the home keeps lies here; made when it does not exist. */
  readonly folder: string;
  /** 0 takes any free port. */
  readonly port?: number;
  readonly host?: string;
  /** How long the log keeps what every stage has read. */
  readonly retentionDays?: number;
  /** Local time of the daily batch run; absent, only on demand. */
  readonly runAt?: RunClock | undefined;
}

export interface Home {
  readonly url: string;
  readonly writeKey: string;
  readonly readKey: string;
  readonly controlToken: string;
  /** What amounts are reported in, ISO 4217. */
  readonly currency: string;
  /** Resolves when every stage has caught up with the log and no upload is waiting or under way. */
  settled(): Promise<void>;
  /** Everything on the log becomes visible to SQL. */
  flushLake(): Promise<void>;
  status(): HomeStatus;
  /** Begins a batch run and answers its id. @throws RunInProgress */
  beginRun(request: RunRequest): Promise<string>;
  /** The trail of a run as it stands. */
  run(runId: string): Promise<Run | undefined>;
  /** The trail of a run when it is over, or the home stops. */
  runEnded(runId: string): Promise<Run | undefined>;
  /** Resolves when no erasure is under way or waiting. */
  erasuresEnded(): Promise<void>;
  /** Takes no more requests, finishes those under way, and leaves everything durable. */
  close(): Promise<void>;
}

export interface HomeStatus {
  readonly url: string;
  readonly head: number;
  readonly events: number;
  readonly scored: number;
  readonly landed: number;
  readonly uploads: number;
  /** The batch run that is under way. */
  readonly run?: string;
  /** The erasure that is under way. */
  readonly erasure?: string;
  readonly workers: Readonly<Record<string, { readonly state: string; readonly crashes: number }>>;
  readonly counts: readonly Counter[];
}

const REQUEST_GRACE_MS = 10_000;
/** A step of a run may be hours of work: one that does not end in this time is cut off, and made again. */
const RUN_GRACE_MS = 3_000;

/** @throws FolderInUse, FolderNotWritable, SettingsError, or the system's error when it cannot listen (EADDRINUSE) */
export const startHome = async (options: HomeOptions): Promise<Home> => {
  const folder = path.resolve(options.folder);
  const unlock = lockFolder(folder);
  const undo: (() => void | Promise<void>)[] = [unlock];
  try {
    chmodSync(folder, 0o700);
    for (const file of tightenPrivateFiles(folder))
      logger.warn(`${file} was open to others and is not any more. If somebody may have read it: ebb keys rotate.`);
    return await open(folder, options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
};

/** @param undo gets a step for everything opened; run in reverse order they close the home */
const open = async (folder: string, options: HomeOptions, undo: (() => void | Promise<void>)[]): Promise<Home> => {
  const settings = settingsOf(folder, options);
  const secrets = openSecrets(folder);
  await eraseAgain(folder, secrets.suppressionSecret, Date.now());
  const keys = new EmbeddedKeyRing(folder);
  const first = await firstKeys(folder, keys);
  const controlToken = randomBytes(24).toString("hex");
  const counters = new EmbeddedMetrics();
  const progress = new Progress();

  // Listening comes first: a port that is taken is said before anything is opened. Requests wait until `open`.
  const host = options.host ?? "127.0.0.1";
  const server = new HttpServer(settings.corsOrigins);
  undo.push(() => server.close(REQUEST_GRACE_MS));
  const { port } = await server.listen(options.port ?? 0, host);
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

  const stores = await openFront(folder, { objects: { baseUrl: () => url, uploadUrlSecret: secrets.uploadUrlSecret } });
  undo.push(() => stores.close());
  const { log } = stores;
  if (log.lostRecords > 0)
    logger.error("the log ends before what its consumers have read: it was put back, or its end was lost", {
      records: log.lostRecords,
      remedy: "what was lost is in the lake or nowhere: run ebb audit",
    });
  await publishFirstCutPoints(folder);
  progress.set("head", log.head().seq);
  log.onAppend((head) => progress.set("head", head.seq));
  const logServer = eventLogServer(log);
  undo.push(() => logServer.close());
  const stages = new Stages({
    data: { folder, secrets, settings, progress: progress.shared },
    log,
    logServer,
    progress,
    counters,
    retentionMs: (options.retentionDays ?? 7) * 86_400_000,
    objects: stores.objects,
    uploadsLeft: (await stores.uploads.unfinished()).length > 0,
  });
  undo.push(() => stages.close());
  const suppressions = new EmbeddedSuppressions(folder, secrets.suppressionSecret);
  undo.push(() => suppressions.close());
  const erasures = new EmbeddedErasures(folder);
  undo.push(() => erasures.close());
  const erasing = new EraseStage({
    folder,
    suppressionSecret: secrets.suppressionSecret,
    erasures,
    flush: () => stages.flushLake(),
    hold: () => {
      const releases = [log.hold(), stores.profiles.hold()];
      return () => releases.forEach((release) => release());
    },
    forget: (customerKeys) => stores.profiles.forget(customerKeys),
  });
  undo.push(() => erasing.close(RUN_GRACE_MS));
  let handlers: Awaited<ReturnType<typeof loadHandlers>> = new Map();
  const model = new ModelStage({
    folder,
    settings,
    runs: stores.runs,
    counters,
    flush: () => stages.flushLake(),
    clock: options.runAt,
    hasEvents: () => log.head().events > 0,
    afterErasures: () => erasing.ended(),
    onSucceeded: () => warmHandlers(handlers, true),
  });
  undo.push(() => model.close(RUN_GRACE_MS));
  const sources = new SourcesStage({
    data: { folder, secrets, settings, progress: progress.shared },
    logServer,
    counters,
    processUpload: (uploadId) => stages.processUpload(uploadId),
  });
  undo.push(() => sources.close(RUN_GRACE_MS));

  const disk = new DiskWatch(folder);
  const queries = openQueries(path.join(folder, "lake"));
  undo.push(() => queries.close());
  const ports: Ports & Pick<QualityPorts, "sourceLoads"> & CataloguedPort = {
    ...commonPorts({ secrets, settings }, counters),
    ...stores,
    sourceLoads: () => sourceLoads(folder),
    catalogued: () => catalogued(folder),
    keys,
    suppressions,
    erasures,
    erasing,
    queries,
    pulse: homePulse(counters, progress),
    vitals: homeVitals(disk, stages, progress),
    measures: homeMeasures({ folder, counters, progress, ...stores, now: Date.now }),
    jobs: embeddedJobQueue((uploadId) => stages.processUpload(uploadId)),
  };
  handlers = await loadHandlers(routes, ports);
  const status = (): HomeStatus => ({
    url,
    head: log.head().seq,
    events: log.head().events,
    scored: progress.get("score"),
    landed: progress.get("landed"),
    uploads: stages.activeUploads,
    ...(model.runUnderWay === undefined ? {} : { run: model.runUnderWay }),
    ...(erasing.erasureUnderWay === undefined ? {} : { erasure: erasing.erasureUnderWay }),
    workers: stages.status(),
    counts: counters.snapshot(),
  });
  const ofSite = site(() => warmHandlers(handlers, false));
  const ofMachine = control(controlToken, {
    flush: () => stages.flushLake(),
    settle: () => stages.settled(),
    run: (request) => model.begin(request),
    status,
    tasks: new HomeTasks(),
    works: {
      sources:
        ({ name = "" }) =>
        (progress) =>
          sources.load(name, (read) => progress(read, 0)),
      backup:
        ({ folder: target = "" }) =>
        (progress) =>
          takeBackup(folder, target, Date.now(), progress),
      replay: (query) => replayTask(ports, (event) => stages.redeliver(event), query),
    },
  });
  server.open({
    routes,
    handlers,
    uploadUrlIsValid: (target, query) => uploadUrlIsValid(secrets.uploadUrlSecret, target, query, Date.now()),
    now: Date.now,
    overloaded: () => disk.overloaded() ?? stages.overloaded(),
    control: (...request) => ofSite(...request) ?? ofMachine(...request),
  });
  await stages.ready();
  writeRunning(folder, { pid: process.pid, port, url, controlToken, startedAt: new Date().toISOString() });
  undo.push(() => removeRunning(folder));

  let closed: Promise<void> | undefined;
  return {
    url,
    ...first,
    controlToken,
    currency: settings.rates.reportingCurrency,
    settled: () => stages.settled(),
    flushLake: () => stages.flushLake(),
    status,
    beginRun: (request) => model.begin(request),
    run: (runId) => stores.runs.get(runId),
    runEnded: (runId) => model.ended(runId),
    erasuresEnded: () => erasing.ended(),
    close: () =>
      (closed ??= (async () => {
        // Requests first, so that what they append is still scored and landed; then the threads; the log last.
        await server.close(REQUEST_GRACE_MS);
        for (const step of undo.reverse()) await step();
      })()),
  };
};

/** The first start publishes cut points, so that scores exist before the model stage has computed any. */
const publishFirstCutPoints = async (folder: string): Promise<void> => {
  const store = new EmbeddedCustomerStore(folder);
  try {
    if ((await store.cutPoints()) !== undefined) return;
    await store.publishCutPoints(defaultCutPoints(Date.now()));
    logger.info("default cut points published");
  } finally {
    store.close();
  }
};
