/**
 * What each emulator does of the things our adapters stand on, found by asking it. Prints the table of
 * docs/emulators.md: `node test/aws/probe.ts`.
 */
import type { EmulatorName } from "./emulators.ts";
import { startEmulator } from "./emulators.ts";
import type { Check } from "./probes/check.ts";
import { clientsFor, nameOf } from "./probes/check.ts";
import { dynamoChecks } from "./probes/dynamodb.ts";
import { objectChecks } from "./probes/s3.ts";
import { streamChecks } from "./probes/streams.ts";

const checks = [...dynamoChecks, ...streamChecks, ...objectChecks];

const names: readonly EmulatorName[] = ["moto", "ministack", "dynalite", "fauxqs"];
const emulators = await Promise.all(names.map(startEmulator));
const clients = new Map(emulators.map(({ name, endpoint }) => [name, clientsFor(endpoint)]));
const cell = async (check: Check, name: EmulatorName): Promise<string> => {
  if (!check.on.includes(name)) return "–";
  try {
    return await check.look(clients.get(name)!);
  } catch (error) {
    return `**${nameOf(error)}**`;
  }
};
console.log(`| | ${emulators.map(({ name, version }) => `${name} ${version}`).join(" | ")} |\n|---|---|---|---|---|`);
for (const check of checks) {
  const cells: string[] = [];
  for (const name of names) cells.push(await cell(check, name));
  console.log(`| ${check.service}: ${check.what} | ${cells.join(" | ")} |`);
}
await Promise.all(emulators.map((emulator) => emulator.stop()));
