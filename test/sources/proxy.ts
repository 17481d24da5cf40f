/** A way to a server that is cut after a number of bytes have come from it: the network is lost in the middle of a read. */
import { type Socket, connect, createServer } from "node:net";

export interface Proxy {
  readonly port: number;
  close(): Promise<void>;
}

export const cuttingProxy = async (target: number, bytes: number): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let left = bytes;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream);
    upstream.on("data", (data) => {
      left -= data.length;
      if (left > 0) return void client.write(data);
      client.resetAndDestroy();
      upstream.destroy();
    });
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
};
