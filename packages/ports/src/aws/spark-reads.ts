/**
 * Reads of relational tables on EMR Serverless: what a load asks for, the job that is under way and what it left lie under a
 * prefix of the source in the lake's bucket. A job is started once for each attempt: its token is made of both.
 */
import type { EMRServerlessClient } from "@aws-sdk/client-emr-serverless";
import { GetJobRunCommand, StartJobRunCommand } from "@aws-sdk/client-emr-serverless";
import { readJson } from "../json-objects.ts";
import type { ObjectStore } from "../ports.ts";
import { SourceProblem, SourceWaiting } from "../source-ports.ts";
import type { JdbcRead } from "../source-readers/jdbc.ts";
import type { PartitionedReads } from "../source-readers/partitioned.ts";
import { calling } from "./errors.ts";
import type { SparkSettings } from "./job-runner.ts";
import { PASSWORD_PROPERTY, READS_PREFIX } from "./read-parameters.ts";

export interface SparkReadsSettings extends SparkSettings {
  readonly source: string;
  /** URI of the driver's jar, and what its SHA-256 must be: no other one is run. */
  readonly driver: string;
  readonly driverSha256: string;
  /** URI of the lake, without a slash at its end: `s3://bucket`. */
  readonly lake: string;
  /** ARN of the password's secret; none where the user has no password. */
  readonly secret?: string | undefined;
}

/** What the program leaves at the place of its result. */
export type ReadResult =
  | { readonly state: "succeeded"; readonly parts: readonly string[] }
  | { readonly state: "failed"; readonly reason: string; readonly sqlState?: string | null };

interface Progress {
  /** From 1. */
  readonly attempt: number;
  /** What the service calls the job; absent until it was started. */
  readonly jobRunId?: string;
}

/** A job that failed so often has a reason that does not pass. */
const ATTEMPTS = 3;
const TIMEOUT_MINUTES = 360;

export class SparkReads implements PartitionedReads {
  readonly #emr: EMRServerlessClient;
  readonly #objects: Pick<ObjectStore, "put" | "get" | "list" | "delete">;
  readonly #settings: SparkReadsSettings;

  constructor(
    emr: EMRServerlessClient,
    objects: Pick<ObjectStore, "put" | "get" | "list" | "delete">,
    settings: SparkReadsSettings,
  ) {
    this.#emr = emr;
    this.#objects = objects;
    this.#settings = settings;
  }

  async parts(loadId: string, read: () => Promise<JdbcRead>): Promise<readonly string[]> {
    const progress = (await this.#read<Progress>(loadId, "progress")) ?? { attempt: 1 };
    const { attempt, jobRunId } = progress;
    if (jobRunId === undefined) {
      const started = await this.#start(loadId, attempt, read);
      await this.#write(loadId, "progress", { attempt, jobRunId: started } satisfies Progress);
      throw new SourceWaiting(`Spark reads the source "${this.#settings.source}"`);
    }
    const { applicationId, source } = this.#settings;
    const { jobRun } = await calling("asking for a Spark job", () =>
      this.#emr.send(new GetJobRunCommand({ applicationId, jobRunId })),
    );
    const state = jobRun?.state ?? "";
    if (state !== "SUCCESS" && state !== "FAILED" && state !== "CANCELLED")
      throw new SourceWaiting(`Spark reads the source "${source}" (${state})`);
    const result = await this.#read<ReadResult>(loadId, `result-${attempt}`);
    if (state === "SUCCESS" && result?.state === "succeeded")
      return result.parts.map((part) => this.#key(loadId, `parts-${attempt}/${part}`));
    // Without a result the program did not live to write one.
    throw await this.#failed(loadId, progress, state, result?.state === "failed" ? result : undefined);
  }

  /** The next call begins the next attempt, in a folder of its own: nothing of this one is ever read. */
  async #failed(
    loadId: string,
    { attempt, jobRunId }: Progress,
    state: string,
    failure: Extract<ReadResult, { state: "failed" }> | undefined,
  ): Promise<SourceProblem> {
    const { source } = this.#settings;
    const why = `the Spark job ${jobRunId} that reads it ended as ${state}: ${failure?.reason ?? "it left no reason"}`;
    if (failure?.sqlState?.startsWith("28") === true)
      return new SourceProblem("access", source, `${why}. The secret of the job is not the password of the user.`);
    if (attempt >= ATTEMPTS) return new SourceProblem("job", source, `${why}. It was tried ${attempt} times.`);
    await this.#write(loadId, "progress", { attempt: attempt + 1 } satisfies Progress);
    return new SourceProblem("unreachable", source, `${why}. It is tried again.`);
  }

  async #start(loadId: string, attempt: number, read: () => Promise<JdbcRead>): Promise<string> {
    const { source, lake, applicationId, roleArn, entryPoint, submitParameters, secret, driver, driverSha256 } =
      this.#settings;
    const name = `read-${attempt}`;
    // The first document stays: the same token must not stand for another read.
    if ((await this.#read(loadId, name)) === undefined) await this.#write(loadId, name, await read());
    const uri = (what: string): string => `${lake}/${this.#key(loadId, what)}`;
    const { jobRunId } = await calling("starting a Spark job", () =>
      this.#emr.send(
        new StartJobRunCommand({
          applicationId,
          clientToken: `${loadId}-${attempt}`,
          executionRoleArn: roleArn,
          name: `read-${source}`,
          executionTimeoutMinutes: TIMEOUT_MINUTES,
          jobDriver: {
            sparkSubmit: {
              entryPoint,
              entryPointArguments: [
                ...["--read", uri(`${name}.json`), "--into", uri(`parts-${attempt}`)],
                ...["--result", uri(`result-${attempt}.json`)],
                ...["--driver", driver, "--driver-sha256", driverSha256],
              ],
              sparkSubmitParameters: submitParameters,
            },
          },
          // The service puts the secret in the place of its name when the job begins.
          ...(secret === undefined
            ? {}
            : {
                configurationOverrides: {
                  applicationConfiguration: [
                    { classification: "spark-defaults", properties: { [PASSWORD_PROPERTY]: `EMR.secret@${secret}` } },
                  ],
                },
              }),
        }),
      ),
    );
    return jobRunId!;
  }

  async open(part: string): Promise<AsyncIterable<Uint8Array>> {
    return await this.#objects.get(part);
  }

  async discard(loadId: string): Promise<void> {
    const keys: string[] = [];
    for await (const key of this.#objects.list(this.#key(loadId, ""))) keys.push(key);
    if (keys.length > 0) await this.#objects.delete(keys);
  }

  #key(loadId: string, name: string): string {
    return `${READS_PREFIX}${this.#settings.source}/${loadId}/${name}`;
  }

  async #read<Document>(loadId: string, name: string): Promise<Document | undefined> {
    return await readJson<Document>(this.#objects, this.#key(loadId, `${name}.json`));
  }

  async #write(loadId: string, name: string, document: object): Promise<void> {
    await this.#objects.put(this.#key(loadId, `${name}.json`), Buffer.from(JSON.stringify(document)));
  }
}
