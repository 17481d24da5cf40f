import type { Ports } from "@ebb/ports";

type Make<Event, Result> = (ports: Ports) => (event: Event, context: never) => Promise<Result>;

/**
 * The Lambda entry of a handler: the AWS adapters are built from the environment once a container, on the first event.
 * The import is dynamic so that the embedded home, which uses `make` alone, never loads the AWS SDK.
 */
export const onAws = <Event, Result>(make: Make<Event, Result>) => {
  let ready: Promise<ReturnType<Make<Event, Result>>> | undefined;
  return async (event: Event, context: unknown): Promise<Result> => {
    ready ??= import("@ebb/ports/aws").then(({ awsPorts }) => make(awsPorts(process.env)));
    return (await ready)(event, context as never);
  };
};
