/** `ebb keys`: the keys of a folder, or of a deployment. A key is shown once, when it is made; no log ever holds it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { type Scope, scopes, scopesFault } from "@ebb/core/scopes";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import {
  type KeyStore,
  type ListedKey,
  type MadeKey,
  NoSuchKey,
  createKey,
  isUsable,
  revokeKey,
  rotateKey,
} from "@ebb/ports/stored-keys";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { parseDuration, parseExpiry } from "../durations.ts";
import { replaceFirstKey } from "../home-folder.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  table: { kind: "text", value: "NAME", help: "instead: the DynamoDB table of keys of a deployment" },
  scope: {
    kind: "text",
    value: "SCOPES",
    help: "create: what the key may do, separated by commas (below)",
    check: (text: string) => scopesFault(text.split(",")),
  },
  source: {
    kind: "text",
    value: "NAME",
    help: "create: what events sent with the key belong to (shop)",
    check: (text: string) => (/^[\w.-]{1,64}$/.test(text) ? undefined : "at most 64 letters, digits and _.-"),
  },
  label: {
    kind: "text",
    value: "TEXT",
    help: "create: what you call it",
    check: (text: string) => (text.length <= 100 ? undefined : "at most 100 characters"),
  },
  expires: {
    kind: "text",
    value: "WHEN",
    help: "create: 90d, 12h, 30m, or a day like 2027-01-31 (never)",
    check: (text: string) =>
      parseExpiry(text, 0) === undefined ? `"${text}" is neither like 90d nor like 2027-01-31` : undefined,
  },
  rate: { kind: "integer", value: "NUMBER", min: 1, max: 1_000_000, help: "create: events a second (no limit)" },
  requests: { kind: "integer", value: "NUMBER", min: 1, max: 1_000_000, help: "create: requests a second (no limit)" },
  body: { kind: "integer", value: "BYTES", min: 1, help: "create: largest body (that of the route)" },
  overlap: {
    kind: "text",
    value: "TIME",
    help: "rotate: how long the old key goes on, like 24h or 0 (24h)",
    check: (text: string) => (parseDuration(text) === undefined ? `"${text}" is not like 24h, 30m or 0` : undefined),
  },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb keys [list | create --scope SCOPES | rotate ID | revoke ID] [OPTIONS]

${optionHelp(options)}

Scopes:
${Object.entries(scopes)
  .map(([name, may]) => `  ${name.padEnd(16)}${may}`)
  .join("\n")}

A running home takes every change at once, a deployment within five seconds.
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (values.table !== undefined && values.data !== undefined)
    throw new UsageError("--data is a home's folder and --table a deployment's table: give one of them.");
  const folder = path.resolve(values.data ?? ".ebb");
  if (values.table === undefined && !existsSync(path.join(folder, "keys.json"))) {
    process.stderr.write(`${folder} holds no home. Start one with ebb start.\n`);
    return 1;
  }
  const store = values.table === undefined ? new EmbeddedKeyRing(folder) : await deployedKeys(values.table);
  const [action = "list", id, ...more] = positionals;
  const nowMs = Date.now();
  try {
    if (action === "list" && id === undefined) {
      process.stdout.write(listed(await store.list(), nowMs));
      return 0;
    }
    if (action === "create" && id === undefined) {
      if (values.scope === undefined) throw new UsageError(`--scope is needed: what may the key do?\n\n${help}`);
      if (values.expires !== undefined && parseExpiry(values.expires, nowMs)! <= nowMs)
        throw new UsageError(`--expires: "${values.expires}" is past.`);
      tell(await createKey(store, { ...wanted(values, nowMs), scopes: values.scope.split(",") as Scope[] }, nowMs));
      return 0;
    }
    if (action === "rotate" && id !== undefined && more.length === 0) {
      const overlapMs = parseDuration(values.overlap ?? "24h")!;
      const old = (await store.list()).find((key) => key.id === id);
      const made = await rotateKey(store, id, overlapMs, nowMs);
      if (values.table === undefined && old !== undefined && replaceFirstKey(folder, old.sha256, made.key))
        process.stderr.write("It was the home's own: ebb upload and the next start use the new one.\n");
      tell(made);
      process.stderr.write(`${id} is valid until ${instant(nowMs + overlapMs)}.\n`);
      return 0;
    }
    if (action === "revoke" && id !== undefined && more.length === 0) {
      await revokeKey(store, id, nowMs);
      return 0;
    }
  } catch (error) {
    if (!(error instanceof NoSuchKey)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  throw new UsageError(`${misunderstood(action, id)} See ebb keys --help.`);
};

const misunderstood = (action: string, id: string | undefined): string => {
  if (!["list", "create", "rotate", "revoke"].includes(action)) return `ebb keys has no "${action}".`;
  if (id === undefined) return `ebb keys ${action} takes the id of a key; ebb keys lists them.`;
  return `ebb keys ${action} takes no more than that.`;
};

/** With the credentials and the region that the AWS SDK finds. */
const deployedKeys = async (table: string): Promise<KeyStore> => {
  const [{ Clients }, { DynamoKeyStore }] = await Promise.all([
    import("@ebb/ports/aws/clients"),
    import("@ebb/ports/aws/key-ring"),
  ]);
  return new DynamoKeyStore(new Clients(process.env).dynamo, table);
};

const wanted = (
  { source, label, expires, rate, requests, body }: ReturnType<typeof parseOptions<typeof options>>["values"],
  nowMs: number,
) => {
  const limits = {
    ...(rate === undefined ? {} : { eventsPerSecond: rate }),
    ...(requests === undefined ? {} : { requestsPerSecond: requests }),
    ...(body === undefined ? {} : { bodyBytes: body }),
  };
  return {
    source: source ?? "shop",
    ...(label === undefined ? {} : { label }),
    ...(expires === undefined ? {} : { expiresAtMs: parseExpiry(expires, nowMs) }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
};

/** The key alone on standard output, so that it can go straight to where it is kept. */
const tell = ({ key, stored }: MadeKey): void => {
  process.stderr.write(`${stored.id} (${stored.scopes.join(", ")}). It is shown this once:\n`);
  process.stdout.write(`${key}\n`);
};

const instant = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const stateOf = (key: ListedKey, nowMs: number): string => {
  if (key.revokedAtMs !== undefined) return `revoked ${instant(key.revokedAtMs)}`;
  if (key.expiresAtMs === undefined) return "valid";
  return `${isUsable(key, nowMs) ? "valid until" : "expired"} ${instant(key.expiresAtMs)}`;
};

const limitsOf = ({ limits = {} }: ListedKey): string =>
  [
    limits.eventsPerSecond === undefined ? [] : [`${limits.eventsPerSecond} events/s`],
    limits.requestsPerSecond === undefined ? [] : [`${limits.requestsPerSecond} requests/s`],
    limits.bodyBytes === undefined ? [] : [`${limits.bodyBytes} bytes`],
  ]
    .flat()
    .join(", ");

const listed = (keys: readonly ListedKey[], nowMs: number): string => {
  const rows = [
    ["id", "scopes", "source", "state", "last used", "limits", "label"],
    ...keys.map((key) => [
      key.id,
      key.scopes.join(","),
      key.source,
      stateOf(key, nowMs),
      key.lastUsedAtMs === undefined ? "never" : instant(key.lastUsedAtMs),
      limitsOf(key) || "none",
      key.label ?? "",
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
};
