/** Stream events of the public files, as the upload handlers make them. */
import type { StreamEvent } from "@ebb/core/stream-event";
import { read } from "../uploads/online-retail-file.ts";
import { openStores } from "../uploads/stores.ts";

export interface PublicFile {
  readonly file: string;
  /** Of the upload. */
  readonly query: Readonly<Record<string, unknown>>;
  /** Customers who take part, by their keys, which are uniform; with nobody's rows, all where absent. */
  readonly keys?: RegExp;
}

export const publicEvents = async ({ file, query, keys = /./ }: PublicFile): Promise<StreamEvent[]> => {
  const stores = await openStores();
  try {
    await stores.upload(read(file), query);
    return stores.events().filter(({ customer_key: key }) => keys.test(key ?? " "));
  } finally {
    stores.close();
  }
};

/** The same events so much later: each of their instants, and what is made of one. @param ms whole days */
export const later = (events: readonly StreamEvent[], ms: number): StreamEvent[] => {
  const moved = (instant: string): string => new Date(Date.parse(instant) + ms).toISOString();
  return events.map((event) => ({
    ...event,
    occurred_at: moved(event.occurred_at),
    ...(event.order_version === undefined ? {} : { order_version: event.order_version + ms * 4 }),
    ...(event.lines === undefined
      ? {}
      : {
          lines: event.lines.map((line) =>
            line.occurred_at === undefined ? line : { ...line, occurred_at: moved(line.occurred_at) },
          ),
        }),
  }));
};
