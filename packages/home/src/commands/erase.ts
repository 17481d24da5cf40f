/**
 * `ebb erase ID …`: forgets people for good, shows how far that is, and leaves the signed receipt; lets people back in who
 * come back of their own will; checks receipts.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { ErasureReceipt } from "@ebb/core/erasure";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { ReceiptSigner, isSigned } from "@ebb/ports/receipt-signer";
import { newKey, revokeKey } from "@ebb/ports/stored-keys";
import path from "node:path";
import { z } from "zod";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { progressBar } from "../progress-bar.ts";
import { NoHome, reachHome } from "../running-home.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  file: { kind: "text", value: "FILE", help: "customer ids or customer keys, one a line" },
  receipt: { kind: "text", value: "FILE", help: "where the signed receipt goes (receipt-ERASURE.json)" },
  "no-wait": { kind: "flag", help: "do not wait for the end: who is erased is so at once, in every answer" },
  again: {
    kind: "flag",
    help: "erase those of them once more who were erased before, and nobody else: after a store was put back",
  },
  lift: { kind: "flag", help: "let people back in who come back of their own will" },
  verify: { kind: "text", value: "RECEIPT", help: "check the signature of a receipt" },
  url: { kind: "text", value: "URL", help: "another home than the one running here, in AWS say" },
  key: { kind: "text", value: "KEY", help: "a key with the scope erase (one of its own, for an hour)" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb erase ID … [OPTIONS]
       ebb erase --file ids.txt
       ebb erase --again --file ids.txt
       ebb erase --lift ID …
       ebb erase --verify receipt.json

Forgets customers: by the producer's own ids, or by customer keys. From then on nothing of them is taken in and no answer
tells of them; all that holds them is emptied, which takes a while. docs/erasure.md says what that is, and until when.

${optionHelp(options)}
`;

const LOOK_EVERY_MS = 500;
/** Of one erasure: more go by several, one after the other. */
const AT_ONCE = 1_000;
const KEY_MS = 3_600_000;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (values.verify !== undefined) return await verify(values.verify, values.data);
  const ids = [...new Set([...positionals, ...(values.file === undefined ? [] : await idsIn(values.file))])];
  if (ids.length === 0) throw new UsageError("ebb erase takes customer ids, or a file of them. See ebb erase --help.");
  if (values.url !== undefined && values.key === undefined) throw new UsageError("--url needs a --key.");
  try {
    if (values.url !== undefined) return await erase({ url: values.url, key: values.key! }, ids, values);
    const home = await reachHome(values.data);
    if (values.key !== undefined) return await erase({ url: home.url, key: values.key }, ids, values);
    return await withOwnKey(home.folder, (key) => erase({ url: home.url, key }, ids, values));
  } catch (error) {
    if (!(error instanceof NoHome || error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
};

const idsIn = async (file: string): Promise<string[]> => {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new UsageError(`${file} cannot be read.`, { cause: error });
  });
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
};

/** Whoever may write the home's folder may erase: a key of the command's own, which ends with it. */
const withOwnKey = async <T>(folder: string, work: (key: string) => Promise<T>): Promise<T> => {
  const ring = new EmbeddedKeyRing(folder);
  const wanted = { scopes: ["erase"] as const, source: "home", label: "ebb erase", expiresAtMs: Date.now() + KEY_MS };
  const made = newKey(wanted, Date.now());
  await ring.write([made.stored]);
  try {
    return await work(made.key);
  } finally {
    await revokeKey(ring, made.stored.id, Date.now());
  }
};

/** The home said no, in its own words, or nothing that was understood. */
class Refused extends Error {
  override readonly name = "Refused";
  /** Absent where there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

interface Door {
  readonly url: string;
  readonly key: string;
}

const Answer = z.object({
  erasure_id: z.string(),
  state: z.enum(["requested", "running", "done"]),
  customers: z.number(),
  erased_before: z.number().optional(),
  step: z.string().optional(),
  receipt: ErasureReceipt.optional(),
});
type Answer = z.infer<typeof Answer>;

const ask = async (door: Door, method: string, address: string, body?: unknown): Promise<unknown> => {
  const response = await fetch(door.url + address, {
    method,
    headers: { authorization: `Bearer ${door.key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refused(`Nobody answers at ${door.url}.`);
  });
  const answer = (await response.json().catch(() => undefined)) as { title?: string; detail?: string } | undefined;
  if (answer === undefined) throw new Refused(`What answers at ${door.url} is no home (${response.status}).`);
  if (!response.ok)
    throw new Refused(
      `${answer.title ?? `The home answered ${response.status}`}: ${answer.detail ?? ""}`,
      response.status,
    );
  return answer;
};

interface Wanted {
  readonly again?: boolean | undefined;
  readonly lift?: boolean | undefined;
  readonly receipt?: string | undefined;
  readonly "no-wait"?: boolean | undefined;
}

const erase = async (door: Door, ids: readonly string[], wanted: Wanted): Promise<number> => {
  if (wanted.lift === true) return await lift(door, ids);
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE);
    const begun = await request(door, some, wanted.again === true);
    if (begun === undefined) {
      process.stdout.write(`None of ${some.length} was erased before: nothing is to be done again.\n`);
      continue;
    }
    process.stdout.write(`${begun.erasure_id}: ${whom(begun, some.length, wanted)}, gone from every answer.\n`);
    if (wanted["no-wait"] === true) continue;
    const done = await ended(door, begun.erasure_id);
    if (done.receipt !== undefined) await told(done.receipt, wanted.receipt, ids.length > AT_ONCE);
  }
  return 0;
};

/** `undefined` where somebody was to be erased again and nobody was erased before. */
const request = async (door: Door, ids: readonly string[], again: boolean): Promise<Answer | undefined> => {
  try {
    return Answer.parse(await ask(door, "POST", "/v1/erasures", { customer_ids: ids, ...(again ? { again } : {}) }));
  } catch (error) {
    if (again && error instanceof Refused && error.status === NOT_FOUND) return undefined;
    throw error;
  }
};
const NOT_FOUND = 404;

const whom = (begun: Answer, asked: number, { again }: Wanted): string => {
  if (again === true) return `${begun.customers} of ${asked} were erased before, are erased again`;
  const known = begun.erased_before === undefined ? "" : ` (${begun.erased_before} erased before)`;
  return `${asked} ${asked === 1 ? "customer" : "customers"}${known}`;
};

const lift = async (door: Door, ids: readonly string[]): Promise<number> => {
  let lifted = 0;
  for (const id of ids) {
    const answer = await ask(door, "DELETE", `/v1/customers/${encodeURIComponent(id)}/suppression`);
    lifted += z.object({ lifted: z.number() }).parse(answer).lifted;
  }
  process.stdout.write(`${lifted} of ${ids.length} were erased and may be taken in again, as somebody new.\n`);
  return 0;
};

/** Steps that every home has besides those of its stores; a share that only grows. */
const ended = async (door: Door, erasureId: string): Promise<Answer> => {
  const bar = progressBar("Steps", "steps", process.stdout, () => performance.now());
  const seen = new Set<string>();
  for (;;) {
    const answer = Answer.parse(await ask(door, "GET", `/v1/erasures/${erasureId}`));
    if (answer.step !== undefined) seen.add(answer.step);
    if (answer.state === "done") {
      bar.end();
      return answer;
    }
    bar.update(seen.size, Math.min(0.99, seen.size / STEPS));
    await delay(LOOK_EVERY_MS);
  }
};

/** Of an erasure on one machine: three for each of its places, and five around them. */
const STEPS = 53;

const told = async (receipt: ErasureReceipt, file: string | undefined, several: boolean): Promise<void> => {
  if (receipt.removed.length === 0) process.stdout.write("Nothing of them was anywhere.\n");
  for (const { store, count, objects } of receipt.removed) {
    const files = objects === undefined ? "" : ` in ${objects.toLocaleString("en")} files or records`;
    process.stdout.write(`${store.padEnd(28)}${count.toLocaleString("en").padStart(12)}${files}\n`);
  }
  const name = file !== undefined && !several ? file : `receipt-${receipt.erasureId}.json`;
  await writeFile(name, `${JSON.stringify(receipt, undefined, 2)}\n`);
  process.stdout.write(`Receipt: ${name}. Old versions and backups hold nothing after ${receipt.boundDays} days.\n`);
};

/** By the key in the receipt; whether that key is this home's is told too. */
const verify = async (file: string, data: string | undefined): Promise<number> => {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new UsageError(`${file} cannot be read.`, { cause: error });
  });
  let parsed: ReturnType<typeof ErasureReceipt.safeParse>;
  try {
    parsed = ErasureReceipt.safeParse(JSON.parse(text));
  } catch {
    throw new UsageError(`${file} is not JSON.`);
  }
  if (!parsed.success || !isSigned(parsed.data)) {
    process.stderr.write(`${file} is no receipt that was signed as it stands.\n`);
    return 1;
  }
  const own = ownPublicKey(path.resolve(data ?? ".ebb"));
  const whose =
    own === undefined
      ? `by ${parsed.data.publicKey}`
      : own === parsed.data.publicKey
        ? "by this home"
        : "by another home";
  process.stdout.write(
    `${parsed.data.erasureId} of ${parsed.data.completedAt}: signed ${whose}, and unchanged since.\n`,
  );
  return own === undefined || own === parsed.data.publicKey ? 0 : 1;
};

/** `undefined` where there is no home. */
const ownPublicKey = (folder: string): string | undefined => {
  if (!existsSync(path.join(folder, "secrets.json"))) return undefined;
  return new ReceiptSigner(openSecrets(folder).suppressionSecret).publicKey;
};
