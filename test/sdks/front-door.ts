/** The home's own front door and handlers over ports in memory, so that a test sees what arrived at once. */
import type { StreamEvent } from "@ebb/core/stream-event";
import { routes } from "@ebb/functions/declarations";
import { make as events } from "@ebb/functions/collect/events";
import { make as settings } from "@ebb/functions/collect/sdk-settings";
import { HttpServer } from "@ebb/home/http-server";
import { type MemoryPorts, WRITE_KEY, memoryPorts } from "../support/memory-ports.ts";

export interface FrontDoor {
  readonly url: string;
  readonly writeKey: string;
  readonly ports: MemoryPorts;
  /** The events once there are at least `count` of them, in the order of arrival. */
  arrived(count: number): Promise<StreamEvent[]>;
  /** Every event that was handed over, repeated ones too, once there are at least `count`. */
  delivered(count: number): Promise<string[]>;
  close(): Promise<void>;
}

/** What there is once it is enough, or after half a minute: the assertion that follows says what is missing. */
const until = async <Item>(items: () => Item[], count: number): Promise<Item[]> => {
  const deadline = Date.now() + 30_000;
  while (items().length < count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  return items();
};

export const openFrontDoor = async (): Promise<FrontDoor> => {
  const ports = memoryPorts();
  const server = new HttpServer(["*"]);
  const { port } = await server.listen(0, "127.0.0.1");
  const handlers = {
    "collect/events": events(ports),
    "collect/sdk-settings": settings(ports),
  };
  server.open({
    routes: routes.filter((route) => Object.hasOwn(handlers, route.handler)),
    handlers: new Map(Object.entries(handlers).map(([name, handle]) => [name, { kind: "whole", handle }])),
    now: Date.now,
    overloaded: () => undefined,
    control: () => undefined,
    uploadUrlIsValid: () => false,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    writeKey: WRITE_KEY,
    ports,
    arrived: (count) => until(() => ports.events, count),
    delivered: (count) => until(() => ports.texts, count),
    close: () => server.close(1_000),
  };
};
