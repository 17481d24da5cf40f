import { after } from "node:test";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { storeContracts } from "./lanes.ts";

// Neither has a stream, and dynalite has no transactions: the event log and the customer store run elsewhere.
const [dynalite, fauxqs] = [await startEmulator("dynalite"), await startEmulator("fauxqs")];
after(() => Promise.all([dynalite.stop(), fauxqs.stop()]));
const account = await createAccount({ dynamodb: dynalite, s3: fauxqs });
storeContracts("AWS adapter on dynalite and fauxqs", account);
