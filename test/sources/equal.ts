/** The lake's table against the database's own answer, row for row, by an engine that took no part in either. */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { Pseudonymizer } from "@ebb/core/ids";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";
import { SECRET } from "./ports.ts";
import type { Server } from "./servers.ts";

export interface Answer {
  readonly file: string;
  /** Name → type, in the order of the SELECT; `customer` is a producer's id, compared as its pseudonym. */
  readonly columns: Readonly<Record<string, string>>;
}

let dumps = 0;
/** What the database answers now. */
export const answerOf = async (server: Server, select: string, columns: Answer["columns"]): Promise<Answer> => {
  const file = path.join(server.folder, "data", `answer-${++dumps}.tsv`);
  await server.dump(select, file);
  return { file, columns };
};

export interface Difference {
  readonly rows: number;
  /** Rows of one side that the other lacks, counted with their multiplicity. */
  readonly missing: number;
  readonly added: number;
}

export const compare = async (lakeFolder: string, table: string, { file, columns }: Answer): Promise<Difference> => {
  const stored = sourceTables(lakeFolder).find(({ name }) => name === table);
  if (stored === undefined) throw new Error(`the lake has no table ${table}`);
  const keys = path.join(path.dirname(file), "keys.csv");
  const names = Object.keys(columns);
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "1GB" });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    // COPY's and OUTFILE's text: a backslash escapes. Read as lines, taken apart and unescaped here.
    const cells = names.map((name, at) => {
      const raw = `string_split(line, chr(9))[${at + 1}]`;
      const text = `CASE WHEN ${raw} = '\\N' THEN NULL ELSE replace(replace(replace(replace(${raw}, '\\\\', chr(1)), '\\t', chr(9)), '\\n', chr(10)), chr(1), '\\') END`;
      return columns[name] === "customer"
        ? `(SELECT k FROM keys WHERE id = (${text})) AS "${name}"`
        : `CAST(${text} AS ${columns[name]}) AS "${name}"`;
    });
    const pseudonyms = new Pseudonymizer(SECRET);
    const customers = await connection.runAndReadAll(
      `SELECT DISTINCT string_split(line, chr(9))[${names.findIndex((name) => columns[name] === "customer") + 1}] FROM (${linesSql(file)})`,
    );
    writeFileSync(
      keys,
      ["id,k", ...customers.getRows().map(([id]) => `${String(id)},${pseudonyms.customer(String(id))}`)].join("\n"),
    );
    await connection.run(`CREATE TABLE keys AS SELECT * FROM read_csv('${keys}', header = true, all_varchar = true)`);
    await connection.run(`CREATE TABLE db AS SELECT ${cells.join(", ")} FROM (${linesSql(file)})`);
    const lake = `SELECT ${names.map((name) => `"${name}"`).join(", ")} FROM read_parquet([${stored.files.map((one) => `'${path.join(lakeFolder, one)}'`).join(", ")}])`;
    const one = async (sql: string): Promise<number> => Number((await connection.runAndReadAll(sql)).getRows()[0]![0]);
    return {
      rows: await one(`SELECT count(*) FROM (${lake})`),
      missing: await one(`SELECT count(*) FROM (SELECT * FROM db EXCEPT ALL ${lake})`),
      added: await one(`SELECT count(*) FROM (${lake} EXCEPT ALL SELECT * FROM db)`),
    };
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(keys, { force: true });
  }
};

/** Lines that end without a backslash before the break: MariaDB writes a break or a tab within a value behind one. */
const linesSql = (file: string): string =>
  `SELECT unnest(string_split(rtrim(replace(replace(content, '\\' || chr(10), '\\n'), '\\' || chr(9), '\\t'), chr(10)), chr(10))) AS line FROM read_text('${file}')`;
