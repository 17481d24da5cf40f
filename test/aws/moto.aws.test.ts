import { after } from "node:test";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { logContracts, storeContracts } from "./lanes.ts";

const moto = await startEmulator("moto");
after(() => moto.stop());
const account = await createAccount({ dynamodb: moto, s3: moto, kinesis: moto });
const name = "AWS adapter on moto";
// Without the customer store: moto undoes a failed transaction by restoring whole tables, and what others wrote
// meanwhile goes with it (docs/emulators.md).
logContracts(name, account);
storeContracts(name, account);
