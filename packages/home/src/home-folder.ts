/** What a home keeps in its folder besides the stores and their settings: its first keys, and how to reach it. */
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { currencyDigits } from "@ebb/core/money";
import { type Scope, readScopes } from "@ebb/core/scopes";
import type { Settings } from "@ebb/ports";
import { openSettings } from "@ebb/ports/embedded/configuration";
import type { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey, digestOf } from "@ebb/ports/stored-keys";
import { readJsonFile, writePrivateJson } from "@ebb/ports/embedded/private-file";

export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

export interface SettingsOptions {
  /** Reporting currency, ISO 4217. Fixed at the first start. */
  readonly currency?: string | undefined;
  readonly rates?: Settings["rates"]["rates"] | undefined;
  readonly corsOrigins?: readonly string[] | undefined;
  readonly hookSecrets?: Settings["hookSecrets"] | undefined;
  readonly allowedProperties?: readonly string[] | undefined;
  readonly allowedTraits?: readonly string[] | undefined;
}

/**
 * `settings.json` of the folder, made at the first start; what else is given here goes over it for this run.
 * @throws SettingsError for a currency other than the folder's, or a file that is not valid
 */
export const settingsOf = (folder: string, options: SettingsOptions): Settings => {
  const file = path.join(folder, "settings.json");
  if (options.currency !== undefined && currencyDigits(options.currency) === undefined)
    throw new SettingsError(`"${options.currency}" is not an ISO 4217 currency.`);
  if (!existsSync(file)) writePrivateJson(file, { reportingCurrency: options.currency ?? FIRST_CURRENCY });
  let settings: Settings;
  try {
    settings = openSettings(folder);
  } catch (error) {
    throw new SettingsError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const { reportingCurrency, rates } = settings.rates;
  if (options.currency !== undefined && options.currency !== reportingCurrency)
    throw new SettingsError(
      `${folder} reports in ${reportingCurrency}: its amounts are stored in it. Use another folder for ${options.currency}.`,
    );
  return {
    rates: { reportingCurrency, rates: options.rates ?? rates },
    corsOrigins: options.corsOrigins ?? settings.corsOrigins,
    hookSecrets: options.hookSecrets ?? settings.hookSecrets,
    allowedProperties: options.allowedProperties ?? settings.allowedProperties,
    allowedTraits: options.allowedTraits ?? settings.allowedTraits,
    ...(settings.model === undefined ? {} : { model: settings.model }),
    ...(settings.quality === undefined ? {} : { quality: settings.quality }),
  };
};

/** Where nothing else is asked for: the made shop sells in it. */
const FIRST_CURRENCY = "EUR";

const FirstKeys = z.object({ writeKey: z.string(), readKey: z.string() });
/**
 * The home's own keys, in the clear in a file for the owner alone, because the ring has only their hashes: later starts
 * print commands and a link that work, and `ebb upload` needs one.
 */
export type FirstKeys = z.infer<typeof FirstKeys>;

const firstKeysFile = (folder: string): string => path.join(folder, "first-keys.json");

/** The source of events that are sent with the first write key. */
const FIRST_SOURCE = "shop";

/** Reads the home's own keys, making those that are not there, have expired or were revoked. */
export const firstKeys = async (folder: string, keys: EmbeddedKeyRing): Promise<FirstKeys> => {
  const stored = readFirstKeys(folder);
  const made = {
    writeKey: (await usable(keys, stored?.writeKey)) ?? (await ownKey(keys, ["write"])),
    readKey: (await usable(keys, stored?.readKey)) ?? (await ownKey(keys, readScopes)),
  };
  if (made.writeKey !== stored?.writeKey || made.readKey !== stored.readKey)
    writePrivateJson(firstKeysFile(folder), made);
  return made;
};

const usable = async (keys: EmbeddedKeyRing, key: string | undefined): Promise<string | undefined> =>
  key !== undefined && (await keys.find(key)) !== undefined ? key : undefined;

const ownKey = async (keys: EmbeddedKeyRing, scopes: readonly Scope[]): Promise<string> =>
  (await createKey(keys, { scopes, source: FIRST_SOURCE, label: "the home's own" }, Date.now())).key;

/** Puts a new key in the place of one of the home's own, if it is one. Answers whether it is. */
export const replaceFirstKey = (folder: string, oldSha256: string, key: string): boolean => {
  const stored = readFirstKeys(folder);
  if (stored === undefined) return false;
  const name = (["writeKey", "readKey"] as const).find((one) => digestOf(stored[one]).toString("hex") === oldSha256);
  if (name === undefined) return false;
  writePrivateJson(firstKeysFile(folder), { ...stored, [name]: key });
  return true;
};

export const readFirstKeys = (folder: string): FirstKeys | undefined => {
  const stored = FirstKeys.safeParse(readJsonFile(firstKeysFile(folder)));
  return stored.success ? stored.data : undefined;
};

const RunningHome = z.object({
  pid: z.int().positive(),
  port: z.int().positive(),
  url: z.url(),
  /** Lets the other commands of this machine's user talk to the home. */
  controlToken: z.string(),
  startedAt: z.string(),
});
export type RunningHome = z.infer<typeof RunningHome>;

const runningFile = (folder: string): string => path.join(folder, "home.json");

export const writeRunning = (folder: string, running: RunningHome): void =>
  writePrivateJson(runningFile(folder), running);
export const removeRunning = (folder: string): void => rmSync(runningFile(folder), { force: true });

/** How to reach the home that has the folder open; after a crash the file may be out of date. */
export const readRunning = (folder: string): RunningHome | undefined => {
  const parsed = RunningHome.safeParse(readJsonFile(runningFile(folder)));
  return parsed.success ? parsed.data : undefined;
};
