/** secrets.json and settings.json of a home's folder. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { currencyDigits } from "@ebb/core/money";
import { QualityLimit } from "@ebb/core/quality-limits";
import { SegmentConfiguration } from "@ebb/core/segments";
import type { Settings } from "../ports.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";

const secret = z.string().min(32);
const Secrets = z.object({
  /** Makes pseudonyms. Never rotated: with another one every customer would be a stranger. */
  customerSecret: secret,
  /** Signs upload URLs. May be replaced at any time. */
  uploadUrlSecret: secret,
  /** Names who is erased, and signs receipts of erasures. Never rotated: with another one they would be unknown again. */
  suppressionSecret: secret,
});
export type Secrets = z.infer<typeof Secrets>;

const currency = z.string().refine((code) => currencyDigits(code) !== undefined, "not an ISO 4217 currency");
const SettingsFile = z.strictObject({
  reportingCurrency: currency.default("USD"),
  /** currency → ISO date from which it holds → reporting units per unit. */
  rates: z.record(currency, z.record(z.iso.date(), z.number().positive())).default({}),
  corsOrigins: z.array(z.string()).default(["*"]),
  hookSecrets: z.record(z.string(), z.string().min(16)).default({}),
  allowedProperties: z.array(z.string()).default([]),
  allowedTraits: z.array(z.string()).default([]),
  model: z
    .strictObject({
      horizonDays: z.int().min(7).max(730).optional(),
      contactCostMinor: z.number().nonnegative().optional(),
      saveRate: z.number().gt(0).max(1).optional(),
      margin: z.number().gt(0).max(1).optional(),
      segments: SegmentConfiguration.optional(),
    })
    .default({}),
  quality: z.array(QualityLimit).default([]),
});

/** The secrets of a home, made at its first start. @throws Error that names what is wrong, never a secret */
export const openSecrets = (folder: string): Secrets => {
  const file = path.join(folder, "secrets.json");
  const newSecret = () => randomBytes(32).toString("base64url");
  const stored = readJsonFile(file);
  if (stored === undefined) {
    const made: Secrets = {
      customerSecret: newSecret(),
      uploadUrlSecret: newSecret(),
      suppressionSecret: newSecret(),
    };
    writePrivateJson(file, made);
    return made;
  }
  if (typeof stored === "object" && stored !== null && !("suppressionSecret" in stored)) {
    // A release before erasures made it. Nobody is on the list yet.
    const completed = { ...stored, suppressionSecret: newSecret() };
    writePrivateJson(file, completed);
    return openSecrets(folder);
  }
  const parsed = Secrets.safeParse(stored);
  if (!parsed.success) throw new Error(`${file} is not complete:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
};

/**
 * The settings of a home: settings.json over the defaults. Hook secrets may be in it, so it is private too.
 * @throws Error with all that is wrong with the file
 */
export const openSettings = (folder: string): Settings => {
  const file = path.join(folder, "settings.json");
  const parsed = SettingsFile.safeParse(readJsonFile(file) ?? {});
  if (!parsed.success) throw new Error(`${file} is not valid:\n${z.prettifyError(parsed.error)}`);
  const { reportingCurrency, rates, ...rest } = parsed.data;
  return { ...rest, rates: { reportingCurrency, rates } };
};
