/** Loads the handlers of the declared routes by name, made with this home's ports. */
import type { Route } from "@ebb/functions/declarations";
import type { HttpHandler } from "@ebb/functions/runtime/http";
import { logger } from "@ebb/functions/runtime/logger";
import type { WarmHandler } from "@ebb/functions/serve/marts/warm";
import type { Ports } from "@ebb/ports";
import type { RouteHandler, StreamingHandler } from "./http-server.ts";

interface HandlerModule {
  readonly make?: (ports: Ports) => HttpHandler | WarmHandler;
  /** Routes that only this home serves take their body as a stream. */
  readonly makeStreaming?: (ports: Ports) => StreamingHandler;
}

/** @throws Error when a declared handler does not exist or exports neither form */
export const loadHandlers = async (
  routes: readonly Route[],
  ports: Ports,
): Promise<ReadonlyMap<string, RouteHandler>> => {
  const streaming = new Set(routes.filter(({ only }) => only === "embedded").map(({ handler }) => handler));
  const names = [...new Set(routes.map(({ handler }) => handler))];
  const entries = names.map(async (name): Promise<[string, RouteHandler]> => {
    const module = (await import(import.meta.resolve(`@ebb/functions/${name}`))) as HandlerModule;
    if (streaming.has(name) && module.makeStreaming !== undefined)
      return [name, { kind: "streaming", handle: module.makeStreaming(ports) }];
    if (module.make === undefined) throw new Error(`handler ${name} exports no make`);
    return [name, { kind: "whole", handle: module.make(ports) }];
  });
  return new Map(await Promise.all(entries));
};

/** Has the handlers that answer from memory read it, behind what else is done. What fails is read by who asks. */
export const warmHandlers = (handlers: ReadonlyMap<string, RouteHandler>, onlyAsked: boolean): void => {
  for (const [name, { handle }] of handlers)
    if ("warm" in handle)
      (handle as WarmHandler)
        .warm(onlyAsked)
        .catch((error: unknown) => logger.warn("marts could not be read ahead", { name, cause: String(error) }));
};
