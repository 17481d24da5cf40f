import type { DurableLambdaHandler } from "@aws/durable-execution-sdk-js";
import type { WorkflowContext } from "@ebb/ports";
import type { AwsPorts } from "@ebb/ports/aws";
import { z } from "zod";

type Make<Result> = (ports: AwsPorts) => (event: unknown, context: WorkflowContext) => Promise<Result>;

/** What the schedules send: the instant that was due, as EventBridge Scheduler fills it in. */
const Scheduled = z.object({ scheduledAt: z.iso.datetime({ offset: true }) });

/** The UTC day on which a scheduled start was due; `undefined` for any other start. */
export const scheduledDay = (event: unknown): string | undefined => {
  const scheduled = Scheduled.safeParse(event);
  return scheduled.success ? new Date(scheduled.data.scheduledAt).toISOString().slice(0, 10) : undefined;
};

/**
 * The Lambda entry of a workflow: a durable function, made with the AWS adapters once a container, on the first event.
 * The import is dynamic as in `onAws`. Metrics are sent at the end of each piece.
 *
 * @param requestOf what the workflow is asked, of what the schedule sends
 */
export const workflowOnAws = <Result>(
  make: Make<Result>,
  requestOf: (event: unknown) => unknown = (event) => event,
) => {
  let ready: Promise<DurableLambdaHandler> | undefined;
  return async (...[event, context]: Parameters<DurableLambdaHandler>): ReturnType<DurableLambdaHandler> => {
    ready ??= durable(make, requestOf);
    return (await ready)(event, context);
  };
};

const durable = async <Result>(
  make: Make<Result>,
  requestOf: (event: unknown) => unknown,
): Promise<DurableLambdaHandler> => {
  const [{ withDurableExecution }, { awsPorts, awsMetrics }, { DurableWorkflowContext }, { logger }] =
    await Promise.all([
      import("@aws/durable-execution-sdk-js"),
      import("@ebb/ports/aws"),
      import("@ebb/ports/aws/workflow-context"),
      import("./logger.ts"),
    ]);
  const run = make(awsPorts(process.env));
  const piece = withDurableExecution((event: unknown, context) =>
    run(requestOf(event), new DurableWorkflowContext(context)),
  );
  return async (event, context) => {
    logger.addContext(context);
    try {
      return await piece(event, context);
    } finally {
      awsMetrics().publishStoredMetrics();
    }
  };
};
