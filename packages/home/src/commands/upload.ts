/** `ebb upload FILE`: sends a file to the running home, shows how it is taken in, and its ledger. */
import { stat } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { progressBar } from "../progress-bar.ts";
import { NoHome, type Reached, reachHome } from "../running-home.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  mode: {
    kind: "text",
    value: "MODE",
    help: "append: rows are added to their orders; replace: the file states whole orders (append)",
    check: (text: string) =>
      text === "append" || text === "replace" ? undefined : `"${text}" is neither append nor replace.`,
  },
  layout: { kind: "text", value: "NAME", help: "the file's layout, where its header does not tell" },
  currency: { kind: "text", value: "CODE", help: "currency of the file's amounts, where it names none" },
  key: { kind: "text", value: "KEY", help: "write key (the home's first)" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb upload FILE [OPTIONS]

Sends a file to the running home: CSV, JSON Lines or XLSX, plain or gzip. The layout is recognised from its header.

${optionHelp(options)}
`;

const LOOK_EVERY_MS = 500;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError("ebb upload takes one file. See ebb upload --help.");
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true) throw new UsageError(`${file} is not a file.`);
  try {
    const home = await reachHome(values.data);
    const key = values.key ?? home.writeKey;
    if (key === undefined) throw new UsageError("The home's first keys are gone: give a write key with --key.");
    const query: Record<string, string> = { filename: path.basename(file) };
    for (const name of ["mode", "layout", "currency"] as const)
      if (values[name] !== undefined) query[name] = values[name];
    return await send(home, key, file, stats.size, query);
  } catch (error) {
    if (!(error instanceof NoHome || error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
};

/** The home said no; its own words. */
class Refused extends Error {
  override readonly name = "Refused";
}

const State = z.object({
  upload_id: z.string(),
  state: z.enum(["awaiting_content", "queued", "processing", "done", "failed"]),
  /** Where the content is to be sent; in the first answer alone. */
  upload: z.object({ url: z.string(), headers: z.record(z.string(), z.string()) }).optional(),
  progress: z.object({ rows_read: z.number(), bytes_read: z.number(), bytes_total: z.number().optional() }).optional(),
  ledger: z
    .object({ received: z.number(), accepted: z.number(), duplicate: z.number(), quarantined: z.number() })
    .optional(),
  problem: z.object({ code: z.string(), message: z.string() }).optional(),
});
type State = z.infer<typeof State>;

const answerOf = async (response: Response): Promise<State> => {
  const body = (await response.json()) as { title?: string; detail?: string };
  if (!response.ok) throw new Refused(`${body.title ?? `The home answered ${response.status}`}: ${body.detail ?? ""}`);
  return State.parse(body);
};

/** By the two steps that take a file of any size: an address is asked for, and the content is sent to it. */
const send = async (
  home: Reached,
  key: string,
  file: string,
  bytes: number,
  query: Record<string, string>,
): Promise<number> => {
  const headers = { "x-write-key": key };
  const asked = await answerOf(
    await fetch(`${home.url}/v1/uploads`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ content: "upload_url", size: bytes, ...query }),
    }),
  );
  if (asked.upload === undefined) throw new Refused("The home gave no address for the content.");
  const bar = progressBar("Rows", "rows", process.stdout, () => performance.now());
  process.stdout.write(`${asked.upload_id}: sending ${bytes.toLocaleString("en")} bytes …\n`);
  const sent = await fetch(asked.upload.url, {
    method: "PUT",
    headers: asked.upload.headers,
    body: await openAsBlob(file),
  });
  if (!sent.ok) throw new Refused(`The content was not taken: ${(await sent.text()).slice(0, 500)}`);

  let allRead = false;
  for (;;) {
    const state = await answerOf(await fetch(`${home.url}/v1/uploads/${asked.upload_id}`, { headers }));
    if (state.progress !== undefined && !allRead) {
      const { rows_read: rows, bytes_read: read, bytes_total: total = bytes } = state.progress;
      bar.update(rows, Math.min(1, read / Math.max(1, total)));
      // Rows of one order may be far apart: orders are written when the whole file is read.
      allRead = read >= total;
      if (allRead) {
        bar.end();
        process.stdout.write("All rows are read; the orders are being written …\n");
      }
    }
    if (state.state === "done" || state.state === "failed") {
      if (!allRead) bar.end();
      return told(home, state);
    }
    await delay(LOOK_EVERY_MS);
  }
};

const told = (home: Reached, state: State): number => {
  if (state.state === "failed") {
    process.stderr.write(`The file was refused: ${state.problem?.message ?? "no reason was given"}\n`);
    return 1;
  }
  const ledger = state.ledger!;
  for (const name of ["received", "accepted", "duplicate", "quarantined"] as const)
    process.stdout.write(`${name.padEnd(12)}${ledger[name].toLocaleString("en").padStart(12)}\n`);
  if (ledger.quarantined > 0)
    process.stdout.write(
      `Refused rows, each with its reason: curl -u "$READ_KEY:" '${home.url}/v1/quarantine?receipt_id=${state.upload_id}'\n`,
    );
  return 0;
};
