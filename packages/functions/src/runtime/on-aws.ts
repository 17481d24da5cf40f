import middy from "@middy/core";
import type { Context } from "aws-lambda";
import type { AwsPorts } from "@ebb/ports/aws";

type Make<Event, Result> = (ports: AwsPorts) => (event: Event, context: Context) => Promise<Result>;

/**
 * The Lambda entry of a handler. The AWS adapters and Powertools' context, traces and metrics are put around it once a
 * container, on the first event. The import is dynamic so that the embedded home, which uses `make` alone, never loads
 * the AWS SDK or X-Ray.
 */
export const onAws = <Event, Result>(make: Make<Event, Result>) => {
  let ready: Promise<(event: Event, context: Context) => Promise<Result>> | undefined;
  return async (event: Event, context: Context): Promise<Result> => {
    ready ??= instrumented(make);
    return (await ready)(event, context);
  };
};

const instrumented = async <Event, Result>(make: Make<Event, Result>) => {
  const [
    { awsPorts, awsMetrics },
    { Tracer },
    { captureLambdaHandler },
    { injectLambdaContext },
    { logMetrics },
    { logger },
  ] = await Promise.all([
    import("@ebb/ports/aws"),
    import("@aws-lambda-powertools/tracer"),
    import("@aws-lambda-powertools/tracer/middleware"),
    import("@aws-lambda-powertools/logger/middleware"),
    import("@aws-lambda-powertools/metrics/middleware"),
    import("./logger.ts"),
  ]);
  // Bodies of requests and answers may hold personal fields: a trace takes neither.
  return middy<Event, Result>()
    .use(injectLambdaContext(logger))
    .use(captureLambdaHandler(new Tracer({ serviceName: "ebb" }), { captureResponse: false }))
    .use(logMetrics(awsMetrics()))
    .handler(make(awsPorts(process.env))) as unknown as (event: Event, context: Context) => Promise<Result>;
};
