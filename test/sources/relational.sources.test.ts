import { before, describe, it } from "node:test";
import { relationalJourney } from "./journey.ts";
import { mariadbProgram, postgresProgram, startMariadb, startPostgres } from "./servers.ts";

/** The lane takes a tenth; EBB_SOURCES_SCALE=1 takes 100,000 customers and a million orders, in some minutes. */
const share = Number(process.env["EBB_SOURCES_SCALE"] ?? 0.1);
const scale = { customers: 100_000 * share, orders: 1_000_000 * share };

for (const [name, find, start] of [
  ["PostgreSQL", postgresProgram, startPostgres],
  ["MariaDB", mariadbProgram, startMariadb],
] as const) {
  const found = find();
  if (found === undefined)
    describe(name, () => {
      before(() =>
        process.stdout.write(`NOT RUN: ${name} is neither installed nor to be had from Debian's packages here.\n`),
      );
      it("is not here", { skip: `${name} is not installed` }, () => undefined);
    });
  else relationalJourney(name, () => start(found), scale);
}
