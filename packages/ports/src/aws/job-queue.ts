/** Jobs as asynchronous invocations: Lambda queues the event, tries again and ends in the function's failure destination. */
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import type { ReceiptId } from "@ebb/core/ids";
import type { Erasing } from "../erasure-ports.ts";
import type { JobQueue } from "../ports.ts";
import { calling } from "./errors.ts";

export class LambdaJobQueue implements JobQueue {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  constructor(client: LambdaClient, functionName: string) {
    this.#client = client;
    this.#functionName = functionName;
  }

  async processUpload(uploadId: ReceiptId): Promise<void> {
    await calling("asking for an upload to be processed", () =>
      this.#client.send(
        new InvokeCommand({
          FunctionName: this.#functionName,
          InvocationType: "Event",
          Payload: Buffer.from(JSON.stringify({ uploadId })),
        }),
      ),
    );
  }
}

/** An erasure is an execution of a durable function, named by its id: to start it again is to do nothing. */
export class LambdaErasing implements Erasing {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  /** @param functionName with its version or alias: a durable function is invoked by one */
  constructor(client: LambdaClient, functionName: string) {
    this.#client = client;
    this.#functionName = functionName;
  }

  async start(erasureId: string): Promise<void> {
    await calling("starting an erasure", () =>
      this.#client.send(
        new InvokeCommand({
          FunctionName: this.#functionName,
          InvocationType: "Event",
          DurableExecutionName: erasureId,
          Payload: Buffer.from(JSON.stringify({ erasureId })),
        }),
      ),
    );
  }
}

/** Loads of sources: the function of a source asks for its own next run. */
export interface SourceJobs {
  load(source: string): Promise<void>;
}

export class LambdaSourceJobs implements SourceJobs {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  constructor(client: LambdaClient, functionName: string) {
    this.#client = client;
    this.#functionName = functionName;
  }

  async load(source: string): Promise<void> {
    await calling("asking for a load to go on", () =>
      this.#client.send(
        new InvokeCommand({
          FunctionName: this.#functionName,
          InvocationType: "Event",
          Payload: Buffer.from(JSON.stringify({ source })),
        }),
      ),
    );
  }
}
