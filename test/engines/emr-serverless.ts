/**
 * The two calls of EMR Serverless that a job runner makes, over HTTP for the SDK's own client, by starting the real
 * spark-submit with what the request says: entry point, arguments, `sparkSubmitParameters`. It adds what the service adds:
 * a master, and the machine's own folders.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { globSync, writeFileSync } from "node:fs";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { text } from "node:stream/consumers";
import { patience } from "./engines.ts";
import { type SparkLine, sparkEnvironment, sparkJavaOptions } from "./spark.ts";

export interface StartedJob {
  readonly arguments: readonly string[];
  readonly parameters: readonly string[];
  state: "RUNNING" | "SUCCESS" | "FAILED";
  stateDetails: string;
  readonly ended: Promise<void>;
  /** What the program and Spark wrote to the log. */
  readonly log: () => string;
  /** Ends it as a machine that is lost does. */
  readonly kill: () => void;
}

export interface EmrServerless {
  readonly endpoint: string;
  /** Every job that was started, in order; asking again with the same token starts none. */
  readonly jobs: readonly StartedJob[];
  stop(): Promise<void>;
}

interface StartRequest {
  readonly clientToken: string;
  readonly executionRoleArn: string;
  readonly jobDriver: {
    readonly sparkSubmit: {
      readonly entryPoint: string;
      readonly entryPointArguments: readonly string[];
      readonly sparkSubmitParameters: string;
    };
  };
  readonly configurationOverrides?: {
    readonly applicationConfiguration?: readonly {
      readonly classification: string;
      readonly properties: Readonly<Record<string, string>>;
    }[];
  };
}

/** Ten times what a job of the proofs takes: one that hangs is ended, and has failed. */
const JOB_MS = patience * 240_000;

/** A file of properties, in which secrets are no part of a command that everybody on the machine sees. */
const propertiesFile = (
  folder: string,
  { configurationOverrides }: StartRequest,
  secrets: Readonly<Record<string, string>>,
): string => {
  const given = configurationOverrides?.applicationConfiguration ?? [];
  const text = given
    .filter(({ classification }) => classification === "spark-defaults")
    .flatMap(({ properties }) => Object.entries(properties))
    .map(([name, value]) => {
      const secret = /^EMR\.secret@(.*)$/.exec(value)?.[1];
      if (secret !== undefined && secrets[secret] === undefined) throw new Error(`there is no secret ${secret}`);
      return `${name} ${(secret === undefined ? value : secrets[secret]!).replaceAll("\\", "\\\\")}\n`;
    });
  const file = path.join(folder, `defaults-${randomBytes(8).toString("hex")}.conf`);
  writeFileSync(file, text.join(""), { mode: 0o600 });
  return file;
};

/** @param folder for what Spark leaves on disk @param secrets of Secrets Manager, by their ARN or name */
export const startEmrServerless = async (
  line: SparkLine,
  folder: string,
  secrets: Readonly<Record<string, string>> = {},
): Promise<EmrServerless> => {
  const { python, folder: environment } = await sparkEnvironment(line);
  const [sparkHome] = globSync(`${environment}/lib/python3*/site-packages/pyspark`);
  if (sparkHome === undefined) throw new Error(`${environment} holds no pyspark`);
  const jobs = new Map<string, StartedJob>();
  const idOfToken = new Map<string, string>();
  const children = new Set<ChildProcess>();

  const submit = (request: StartRequest): StartedJob => {
    const { sparkSubmit } = request.jobDriver;
    const parameters = sparkSubmit.sparkSubmitParameters.split(/\s+/);
    const machine = {
      "spark.ui.enabled": "false",
      "spark.driver.host": "127.0.0.1",
      "spark.driver.bindAddress": "127.0.0.1",
      "spark.local.dir": folder,
      "spark.driver.extraJavaOptions": sparkJavaOptions(folder),
    };
    const child = spawn(
      `${sparkHome}/bin/spark-submit`,
      [
        ...["--master", "local[2]", "--properties-file", propertiesFile(folder, request, secrets)],
        ...Object.entries(machine).flatMap(([name, value]) => ["--conf", `${name}=${value}`]),
        ...parameters,
        sparkSubmit.entryPoint,
        ...sparkSubmit.entryPointArguments,
      ],
      {
        cwd: folder,
        env: {
          PATH: process.env["PATH"],
          HOME: process.env["HOME"],
          LANG: "C.UTF-8",
          // A zone of its own: the session's must come from the parameters.
          TZ: "America/New_York",
          ...(process.env["JAVA_HOME"] !== undefined && { JAVA_HOME: process.env["JAVA_HOME"] }),
          SPARK_HOME: sparkHome,
          PYSPARK_PYTHON: python,
          PYSPARK_DRIVER_PYTHON: python,
          SPARK_LOCAL_IP: "127.0.0.1",
        },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    children.add(child);
    const limit = setTimeout(() => {
      output += `\nended after ${JOB_MS / 1000} s without an end`;
      child.kill("SIGKILL");
    }, JOB_MS);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-1_000_000)));
    const ended = new Promise<void>((resolve) =>
      child.once("close", (code) => {
        clearTimeout(limit);
        children.delete(child);
        job.state = code === 0 ? "SUCCESS" : "FAILED";
        job.stateDetails = code === 0 ? "" : `Job failed. ExitCode: ${code}. Last lines: ${output.slice(-6_000)}`;
        resolve();
      }),
    );
    const job: StartedJob = {
      arguments: sparkSubmit.entryPointArguments,
      parameters,
      state: "RUNNING",
      stateDetails: "",
      ended,
      log: () => output,
      kill: () => void child.kill("SIGKILL"),
    };
    return job;
  };

  const answer = async (request: IncomingMessage): Promise<object | undefined> => {
    const [, applicationId, jobRunId] =
      /^\/applications\/([0-9a-z]+)\/jobruns(?:\/([0-9a-z]+))?$/.exec(request.url!.split("?")[0]!) ?? [];
    if (applicationId === undefined) return undefined;
    if (request.method === "POST" && jobRunId === undefined) {
      const start = JSON.parse(await text(request)) as StartRequest;
      const known = idOfToken.get(start.clientToken);
      const id = known ?? randomBytes(8).toString("hex");
      if (known === undefined) {
        idOfToken.set(start.clientToken, id);
        jobs.set(id, submit(start));
      }
      return { applicationId, jobRunId: id, arn: `arn:aws:emr-serverless:us-east-1:123456789012:/jobruns/${id}` };
    }
    const job = jobRunId === undefined ? undefined : jobs.get(jobRunId);
    return job === undefined ? undefined : { jobRun: { applicationId, jobRunId, ...publicOf(job) } };
  };

  const server = createServer((request, response) => {
    void answer(request).then((found) => {
      response.statusCode = found === undefined ? 404 : 200;
      response.setHeader("content-type", "application/json");
      if (found === undefined) response.setHeader("x-amzn-errortype", "ResourceNotFoundException");
      response.end(JSON.stringify(found ?? { message: "not known" }));
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get jobs() {
      return [...jobs.values()];
    },
    async stop() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all([...jobs.values()].map(({ ended }) => ended));
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
};

const publicOf = ({ state, stateDetails }: StartedJob) => ({
  state,
  stateDetails,
  ...(state === "SUCCESS" ? { billedResourceUtilization: { vCPUHour: 0.5, memoryGBHour: 2 } } : {}),
});
