/** Where sources stand, on three implementations of DynamoDB. */
import { after } from "node:test";
import { Clients } from "@ebb/ports/aws/clients";
import { DynamoSourceStore } from "@ebb/ports/aws/source-store";
import { type OpenSourceStore, sourceStoreContract } from "@ebb/ports/contracts/index";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";

const [ministack, dynalite, moto] = await Promise.all([
  startEmulator("ministack"),
  startEmulator("dynalite"),
  startEmulator("moto"),
]);
after(() => Promise.all([ministack.stop(), dynalite.stop(), moto.stop()]));

for (const [name, dynamodb] of [
  ["MiniStack", ministack],
  ["dynalite", dynalite],
  ["moto", moto],
] as const) {
  const { env } = await createAccount({ dynamodb, s3: ministack });
  const open = async (): Promise<OpenSourceStore> => {
    const clients = new Clients(env);
    const close = async (): Promise<void> => clients.destroy();
    return {
      store: new DynamoSourceStore(clients.dynamo, env["EBB_SOURCE_TABLE"]!),
      close,
      reopen: async () => {
        await close();
        return await open();
      },
    };
  };
  sourceStoreContract(`AWS adapter on ${name}`, open);
}
