import { after } from "node:test";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { customerContracts, logContracts, storeContracts } from "./lanes.ts";

const moto = await startEmulator("moto");
after(() => moto.stop());
const account = await createAccount({ dynamodb: moto, s3: moto, kinesis: moto });
const name = "AWS adapter on moto";
customerContracts(name, account);
logContracts(name, account);
storeContracts(name, account);
