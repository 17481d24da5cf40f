/** The contract suites of the ports over the AWS adapters; a lane says which emulator stands for which service. */
import type { Ports } from "@ebb/ports";
import { awsPorts } from "@ebb/ports/aws";
import { Clients } from "@ebb/ports/aws/clients";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { DynamoErasures } from "@ebb/ports/aws/erasures";
import { DynamoSuppressions } from "@ebb/ports/aws/suppressions";
import { SUPPRESSION_SECRET } from "@ebb/ports/contracts/suppressions";
import { DynamoKeyStore } from "@ebb/ports/aws/key-ring";
import {
  customerStoreContract,
  erasuresContract,
  eventLogContract,
  keyRingContract,
  ledgerContract,
  objectStoreContract,
  orderBookContract,
  profileStoreContract,
  quarantineContract,
  runStoreContract,
  scoreStoreContract,
  suppressionsContract,
  uploadStoreContract,
} from "@ebb/ports/contracts/index";
import type { Account } from "./account.ts";
import { readEventTexts } from "./poller.ts";

type Opened<Adapter> = Adapter & { reopen(): Promise<Opened<Adapter>>; close(): Promise<void> };

/** Reopening is new clients over the same data: that lies in the services. */
const opener = <Adapter extends object>(
  account: Account,
  pick: (ports: Ports, clients: Clients) => Adapter,
  prepare: (clients: Clients) => void = () => undefined,
) => {
  const open = async (): Promise<Opened<Adapter>> => {
    const clients = new Clients(account.env);
    prepare(clients);
    const close = async () => clients.destroy();
    const reopen = async () => {
      await close();
      return open();
    };
    return { ...pick(awsPorts(account.env, clients), clients), reopen, close };
  };
  return open;
};

/** Keys, which a rotation writes in one transaction. */
export const keyContracts = (name: string, account: Account): void => {
  keyRingContract(
    name,
    opener(account, ({ keys }, { dynamo }) => ({
      ring: keys,
      store: new DynamoKeyStore(dynamo, account.env["EBB_KEY_TABLE"]!),
    })),
  );
};

/** The stores that need single items and objects only. */
export const storeContracts = (name: string, account: Account): void => {
  const table = account.env["EBB_SUPPRESSION_TABLE"]!;
  const stored = async (clients: Clients): Promise<string> => {
    const { Items = [] } = await clients.dynamo.send(new ScanCommand({ TableName: table }));
    return JSON.stringify(Items);
  };
  const listOf = ({ dynamo }: Clients) => new DynamoSuppressions(dynamo, table, SUPPRESSION_SECRET, Date.now);
  suppressionsContract(
    name,
    opener(account, (_ports, clients) => ({
      suppressions: listOf(clients),
      elsewhere: listOf(clients),
      stored: () => stored(clients),
    })),
  );
  erasuresContract(
    name,
    opener(account, (_ports, clients) => ({
      erasures: new DynamoErasures(clients.dynamo, table),
      stored: () => stored(clients),
    })),
  );
  objectStoreContract(
    name,
    opener(account, ({ objects }) => ({ store: objects })),
  );
  orderBookContract(
    name,
    opener(account, ({ orderBook }) => ({ book: orderBook })),
  );
  profileStoreContract(
    name,
    opener(account, ({ profiles }) => ({ store: profiles })),
  );
  quarantineContract(
    name,
    opener(account, ({ quarantine }) => ({ quarantine })),
  );
  runStoreContract(
    name,
    opener(account, ({ runs }) => ({ store: runs })),
  );
  scoreStoreContract(
    name,
    opener(account, ({ scores }) => ({ store: scores })),
  );
  uploadStoreContract(
    name,
    opener(account, ({ uploads }) => ({ store: uploads })),
  );
};

/** The event log with its ledger, which need a stream. */
export const logContracts = (name: string, account: Account): void => {
  const log = opener(account, ({ log, ledger, quarantine }, { kinesis }) => ({
    log,
    ledger,
    quarantine,
    readAll: () => readEventTexts(kinesis, account.env["EBB_STREAM"]!),
  }));
  eventLogContract(name, log);
  ledgerContract(name, log);
};

/** The customer store, which needs transactions. `prepare` makes up for what an emulator does not take. */
export const customerContracts = (
  name: string,
  account: Account,
  prepare?: (clients: Clients) => void,
  writers?: number,
): void => {
  customerStoreContract(
    name,
    opener(account, ({ customers }) => ({ store: customers }), prepare),
    writers,
  );
};
