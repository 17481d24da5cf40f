import { after } from "node:test";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { keyContracts, logContracts, storeContracts } from "./lanes.ts";

// The customer store, whose transactions are slow there, is in `moto-transactions.slow.test.ts`.
const moto = await startEmulator("moto");
after(() => moto.stop());
const account = await createAccount({ dynamodb: moto, s3: moto, kinesis: moto });
const name = "AWS adapter on moto";
logContracts(name, account);
keyContracts(name, account);
storeContracts(name, account);
