/** `ebb audit`: a balanced account from the front door to the marts, or the entries that break it. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { auditHome } from "@ebb/ports/embedded/audit";
import type { Account, Finding } from "@ebb/ports/embedded/audit-account";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { renderTable } from "../table.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  json: { kind: "flag", help: "the account and every finding as JSON" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb audit [OPTIONS]

Follows every event from the front door through the log, the lake and the customer store to the curated tables and the
marts, and prints the account. Where it does not balance it names the entries: receipt, event, order, and the store where
it is missing, doubled or different. A running home is audited beside its work. Exits with 0 when the account balances.

${optionHelp(options)}
`;

const MOST_SHOWN = 50;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`ebb audit takes no "${positionals.join(" ")}".`);
  const home = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(home, "log.db"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  const account = await auditHome(home, Date.now(), {
    threads: availableParallelism(),
    onStep: (step) => void (process.stderr.isTTY && process.stderr.write(`\r\u001b[2KLooking at: ${step} …`)),
  });
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[2K");
  process.stdout.write(values.json === true ? `${JSON.stringify(account, undefined, 2)}\n` : textOf(account));
  return account.balanced ? 0 : 1;
};

const figure = (value: number): string => value.toLocaleString("en");

const textOf = (account: Account): string => {
  const columns = [
    { name: "promise", align: "left" },
    { name: "amount", align: "right" },
    { name: "of", align: "left" },
    { name: "amount", align: "right" },
    { name: "of", align: "left" },
    { name: "difference", align: "right" },
  ] as const;
  const rows = account.lines.map(({ name, left, right, note }) =>
    note === undefined
      ? [name, figure(left[1]), left[0], figure(right[1]), right[0], figure(right[1] - left[1])]
      : [name, "", note, "", "", ""],
  );
  const { seq, events, scored, landed } = account.log;
  const waiting = [
    scored < seq ? `${figure(seq - scored)} wait to be scored` : "",
    landed < seq ? `${figure(seq - landed)} to land` : "",
  ];
  const told = waiting.filter((text) => text !== "").join(", ");
  const head = `${figure(events)} events in ${figure(seq)} records at ${account.takenAt}${told === "" ? "" : `; ${told}`}.\n\n`;
  const { text } = renderTable(columns, rows, Math.max(process.stdout.columns ?? 0, 180));
  if (account.balanced) return `${head}${text}\nThe account balances.\n`;
  const shown = account.findings.slice(0, MOST_SHOWN).map(lineOf).join("\n");
  const more = account.faults - Math.min(MOST_SHOWN, account.findings.length);
  const rest = more > 0 ? `\n… and ${figure(more)} more; --json lists them.` : "";
  return `${head}${text}\nThe account does not balance: ${figure(account.faults)} ${account.faults === 1 ? "entry" : "entries"}.\n${shown}${rest}\n`;
};

const lineOf = ({ store, fault, receiptId, eventId, customerKey, order, detail }: Finding): string =>
  [`  ${fault} in ${store}:`, receiptId, eventId, customerKey, order, `- ${detail}`]
    .filter((part) => part !== undefined)
    .join(" ");
