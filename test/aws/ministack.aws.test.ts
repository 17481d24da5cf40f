import { after } from "node:test";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { customerContracts, keyContracts, logContracts, storeContracts } from "./lanes.ts";

const ministack = await startEmulator("ministack");
after(() => ministack.stop());
const account = await createAccount({ dynamodb: ministack, s3: ministack, kinesis: ministack });
const name = "AWS adapter on MiniStack";
customerContracts(name, account);
logContracts(name, account);
keyContracts(name, account);
storeContracts(name, account);
