/**
 * Items of a DynamoDB table by parallel Scan, eventually consistent (half a unit for 4 KB), no faster than so many read
 * units a second. A position is how far each segment is. Items that change meanwhile are seen as they were or as they
 * are: a scan is not one moment.
 */
import {
  type AttributeValue,
  DescribeTableCommand,
  type DynamoDBClient,
  ScanCommand,
  type ScanCommandInput,
} from "@aws-sdk/client-dynamodb";
import {
  type Page,
  type PageEnd,
  type Position,
  type ReadPlan,
  type Row,
  type RowReader,
  type SourceField,
  SourceProblem,
} from "../source-ports.ts";
import { awsProblem } from "./aws-problems.ts";
import { ItemRows, type ItemsOptions } from "./dynamo-rows.ts";
import type { Item } from "./dynamo-values.ts";
import { type Clock, UnitBudget } from "./unit-budget.ts";

export interface DynamoScanOptions extends ItemsOptions {
  readonly source: string;
  readonly client: Pick<DynamoDBClient, "send" | "destroy">;
  readonly table: string;
  readonly unitsPerSecond: number;
  readonly segments: number;
  readonly clock?: Clock;
}

/** Of a segment that has nothing more; "" of one that has not begun. */
const DONE = "done";
const FIRST_LIMIT = 100;
const HIGHEST_LIMIT = 10_000;
/** A Scan answers 1 MB at most, which is so many units of an eventually consistent read. */
const HIGHEST_UNITS = 128;

export class DynamoScanReader implements RowReader {
  readonly #options: DynamoScanOptions;
  readonly #rows: ItemRows;
  readonly #budget: UnitBudget;
  /** Items that one request looks at, so that it uses no more than a second's part of the units. */
  #limit = FIRST_LIMIT;
  #end: PageEnd | undefined;

  constructor(options: DynamoScanOptions) {
    this.#options = options;
    this.#rows = new ItemRows(options);
    this.#budget = new UnitBudget(options.unitsPerSecond, options.clock);
  }

  async describe(plan: ReadPlan): Promise<readonly SourceField[]> {
    const { client, source, table } = this.#options;
    try {
      const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
      if (Table?.TableStatus === "CREATING" || Table?.TableStatus === "DELETING")
        throw new SourceProblem("no_table", source, `the table ${table} is ${Table.TableStatus.toLowerCase()}.`);
      // Whether it may be scanned is seen before anything is staged.
      const { ConsumedCapacity } = await client.send(
        new ScanCommand({ TableName: table, Limit: 1, ReturnConsumedCapacity: "TOTAL" }),
      );
      this.#budget.used(ConsumedCapacity?.CapacityUnits ?? 0.5);
    } catch (error) {
      throw awsProblem(source, `the table ${table}`, error);
    }
    return this.#rows.fieldsOf(plan);
  }

  async begin(): Promise<object> {
    return {};
  }

  async before(_plan: ReadPlan, watermark: string): Promise<string> {
    return watermark;
  }

  async *page(plan: ReadPlan, { after, limit }: Page): AsyncIterable<readonly Row[]> {
    const { segments } = this.#options;
    const positions = [...(after?.key ?? Array.from({ length: segments }, () => ""))];
    const underWay = new Map<number, Promise<Answer>>();
    this.#rows.clear();
    let found = 0;
    let passed = 0;
    for (;;) {
      if (found < limit)
        for (let segment = 0; segment < segments; segment++)
          if (positions[segment] !== DONE && !underWay.has(segment)) {
            const asked = this.#scan(plan, segment, positions[segment]!, Math.ceil(limit / segments));
            asked.catch(() => undefined); // it is waited for below, or another one failed first
            underWay.set(segment, asked);
          }
      if (underWay.size === 0) break;
      const { segment, items, next } = await Promise.race(underWay.values());
      underWay.delete(segment);
      positions[segment] = next;
      const rows = this.#rows.rows(plan, items);
      found += rows.length;
      passed += items.length - rows.length;
      yield rows;
    }
    const key: Position["key"] = positions;
    this.#end = { after: { key }, complete: positions.every((one) => one === DONE), passed };
  }

  pageEnd(): PageEnd {
    if (this.#end === undefined) throw new Error("no page was read to its end");
    return this.#end;
  }

  async *rowsOf(plan: ReadPlan, _field: string, values: readonly string[]): AsyncIterable<readonly Row[]> {
    yield this.#rows.lines(plan, values);
  }

  /** @param most items: what segments bring together does not grow beyond a page and what is under way */
  async #scan(plan: ReadPlan, segment: number, position: string, most: number): Promise<Answer> {
    const { client, source, table, segments, unitsPerSecond } = this.#options;
    await this.#budget.wait();
    const limit = Math.min(this.#limit, most);
    const input: ScanCommandInput = {
      TableName: table,
      Segment: segment,
      TotalSegments: segments,
      Limit: limit,
      ReturnConsumedCapacity: "TOTAL",
      ...projection(this.#rows.pathsOf(plan)),
      ...(position === "" ? {} : { ExclusiveStartKey: keyFromText(position) }),
    };
    try {
      const { Items = [], LastEvaluatedKey, ConsumedCapacity } = await client.send(new ScanCommand(input));
      const units = ConsumedCapacity?.CapacityUnits ?? HIGHEST_UNITS;
      this.#budget.used(units);
      const share = Math.min(HIGHEST_UNITS, Math.max(1, unitsPerSecond / segments));
      // Twice as many at most: the next items may be larger than these.
      this.#limit = Math.max(1, Math.min(HIGHEST_LIMIT, limit * 2, Math.floor((limit * share) / Math.max(units, 0.5))));
      return { segment, items: Items, next: LastEvaluatedKey === undefined ? DONE : textOfKey(LastEvaluatedKey) };
    } catch (error) {
      throw awsProblem(source, `the table ${table}`, error);
    }
  }

  async close(): Promise<void> {
    this.#options.client.destroy();
  }
}

interface Answer {
  readonly segment: number;
  readonly items: readonly Item[];
  readonly next: string;
}

/** Only what is declared leaves the table. Names are given apart: many are reserved words. */
const projection = (
  paths: readonly string[],
): Pick<ScanCommandInput, "ProjectionExpression" | "ExpressionAttributeNames"> => {
  const names = [...new Set(paths.flatMap((path) => path.split(".")))];
  return {
    ProjectionExpression: paths
      .map((path) =>
        path
          .split(".")
          .map((name) => `#n${names.indexOf(name)}`)
          .join("."),
      )
      .join(", "),
    ExpressionAttributeNames: Object.fromEntries(names.map((name, index) => [`#n${index}`, name])),
  };
};

/** A key as text: strings and numbers as they are, bytes as base64. */
const textOfKey = (key: Item): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(key).map(([name, { S, N, B }]) => [
        name,
        B === undefined ? { S, N } : { B: Buffer.from(B).toString("base64") },
      ]),
    ),
  );
const keyFromText = (text: string): Record<string, AttributeValue> =>
  Object.fromEntries(
    Object.entries(JSON.parse(text) as Record<string, { S?: string; N?: string; B?: string }>).map(
      ([name, { S, N, B }]): [string, AttributeValue] => [
        name,
        B !== undefined ? { B: Buffer.from(B, "base64") } : S !== undefined ? { S } : { N: N! },
      ],
    ),
  );
