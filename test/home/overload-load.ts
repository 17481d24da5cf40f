/**
 * A client without mercy, as a process of its own: batches of orders on many connections, each sending again as soon as it
 * was answered, whatever the answer said. Reads its task as JSON from its first argument, writes what came of it as JSON.
 */
import { type Answer, Connection, postRequest } from "../bench/processes/connection.ts";

export interface LoadTask {
  readonly url: string;
  readonly key: string;
  /** Part of every message id: no two loads share one. */
  readonly name: string;
  readonly connections: number;
  readonly seconds: number;
  readonly batchEvents: number;
}

export interface LoadOutcome {
  readonly statuses: Readonly<Record<string, number>>;
  /** Batches that got no answer: the connection broke. */
  readonly broken: number;
  /** Refusals (429, 503) without Retry-After. */
  readonly unsaid: number;
  readonly acknowledged: readonly number[];
  readonly sent: number;
  readonly seconds: number;
  /** Milliseconds to an answer of 200. */
  readonly p50: number;
  readonly p99: number;
}

export const messageId = (name: string, batch: number, event: number): string => `${name}-${batch}-${event}`;

const BATCH = "@batch@";

/** Batches differ in their number alone: to make one costs the client next to nothing beside what it costs the home. */
const templateOf = (task: LoadTask): string =>
  JSON.stringify({
    batch: Array.from({ length: task.batchEvents }, (_, event) => ({
      type: "track",
      event: "Order Completed",
      messageId: `${task.name}-${BATCH}-${event}`,
      userId: `customer-${(event * 7919) % 5_000}`,
      timestamp: new Date(Date.UTC(2026, 0, 1) + (event % 200) * 86_400_000).toISOString(),
      properties: {
        order_id: `${task.name}-${BATCH}-${event}`,
        total: 10 + (event % 17),
        currency: "EUR",
        products: [{ product_id: `p-${event % 9}`, name: `Kettle ${event % 9}`, price: 10, quantity: 1 }],
      },
    })),
  });

const main = async (task: LoadTask): Promise<LoadOutcome> => {
  const template = templateOf(task);
  const statuses: Record<string, number> = {};
  const acknowledged: number[] = [];
  const took: number[] = [];
  let [broken, unsaid, sent] = [0, 0, 0];
  const idle = await Promise.all(Array.from({ length: task.connections }, () => Connection.open(task.url)));
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const endMs = task.seconds * 1000;

  const one = async (connection: Connection): Promise<void> => {
    const batch = sent++;
    const request = postRequest(
      task.url,
      "/v1/batch",
      task.key,
      Buffer.from(template.replaceAll(BATCH, String(batch))),
    );
    const sentMs = performance.now();
    let answer: Answer;
    let next = connection;
    try {
      answer = await connection.send(request);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status === 200) {
        acknowledged.push(batch);
        took.push(performance.now() - sentMs);
      } else if ((answer.status === 429 || answer.status === 503) && !/\r\nretry-after: \d+/i.test(answer.head))
        unsaid++;
      if (/\r\nconnection: close/i.test(answer.head)) next = await reopened(connection);
    } catch {
      broken++;
      next = await reopened(connection);
    }
    idle.push(next);
  };
  const reopened = async (connection: Connection): Promise<Connection> => {
    connection.close();
    for (;;) {
      try {
        return await Connection.open(task.url);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };

  const under = new Set<Promise<void>>();
  const send = (connection: Connection): void => {
    const sending = one(connection).finally(() => under.delete(sending));
    under.add(sending);
  };
  while (elapsedMs() < endMs) {
    while (idle.length > 0) send(idle.pop()!);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const seconds = elapsedMs() / 1000;
  await Promise.all(under);
  for (const connection of idle) connection.close();
  took.sort((a, b) => a - b);
  const quantile = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
  return { statuses, broken, unsaid, acknowledged, sent, seconds, p50: quantile(0.5), p99: quantile(0.99) };
};

if (process.argv[1] === import.meta.filename)
  process.stdout.write(JSON.stringify(await main(JSON.parse(process.argv[2]!) as LoadTask)));
