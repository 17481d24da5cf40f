/**
 * What a team says of its sources, as data: `ebb.sources.json` in the home's folder, or beside `sst.config.ts`. The
 * embedded home and `stacks/` read the same file. Passwords are named, never written down.
 */
import { z } from "zod";
import { currencyDigits } from "@ebb/core/money";
import { UploadOptions } from "./files/upload-options.ts";
import { isRole, requiredRoles, rolesOf, sourceKinds } from "./sources/roles.ts";

const Name = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, "is of lower-case letters, digits and _, at most 40");
const FieldName = z.string().regex(/^[A-Za-z_][\w$]{0,62}$/, "is not a plain field name");
/** Of a document: `customer.id`. */
const FieldPath = z.string().regex(/^[A-Za-z_][\w$-]*(?:\.[A-Za-z_][\w$-]*)*$/, "is not a path such as customer.id");
const TableName = z.string().regex(/^[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)?$/, "is a table, or schema.table");

/** Where a secret is: a variable of the environment on one machine, a secret of Secrets Manager in AWS. */
const Secret = z.strictObject({ secret: z.string().min(1) });
/**
 * Where a database is reached from in AWS: the function runs in these subnets. `route_tables` are those of the subnets;
 * `security_group` is the database's own, which then lets the function in. `endpoints: "there"`: the subnets reach S3,
 * DynamoDB, Kinesis, Athena and Lambda already, by endpoints or a NAT gateway.
 */
const Vpc = z
  .strictObject({
    id: z.string().regex(/^vpc-[0-9a-f]{8,17}$/, "is no VPC's id"),
    subnets: z.array(z.string().regex(/^subnet-[0-9a-f]{8,17}$/, "is no subnet's id")).min(1),
    route_tables: z.array(z.string().regex(/^rtb-[0-9a-f]{8,17}$/, "is no route table's id")).default([]),
    security_group: z
      .string()
      .regex(/^sg-[0-9a-f]{8,17}$/, "is no security group's id")
      .optional(),
    endpoints: z.enum(["make", "there"]).default("make"),
  })
  .refine(({ endpoints, route_tables: tables }) => endpoints === "there" || tables.length > 0, {
    path: ["route_tables"],
    error: "are needed for the endpoints of S3 and DynamoDB",
  });
const LOCAL = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

const Relational = z
  .strictObject({
    kind: z.enum(["postgres", "mysql"]),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).optional(),
    database: z.string().min(1),
    user: z.string().min(1),
    password: Secret.optional(),
    /** `verify` where absent: TLS with a certificate that the system trusts, or one of `ca_file` signed. */
    tls: z.enum(["verify", "off"]).default("verify"),
    ca_file: z.string().min(1).optional(),
    /** In AWS alone; without one the function reaches the database over the internet. */
    vpc: Vpc.optional(),
  })
  .refine(({ tls, host }) => tls === "verify" || LOCAL.test(host), {
    path: ["tls"],
    error: "is off only for localhost: what goes over a network goes by TLS",
  });
const Dynamo = z.strictObject({
  kind: z.literal("dynamodb"),
  region: z.string().optional(),
  endpoint: z.url().optional(),
});
const Objects = z
  .strictObject({
    kind: z.literal("objects"),
    folder: z.string().min(1).optional(),
    bucket: z.string().min(3).optional(),
    region: z.string().optional(),
    endpoint: z.url().optional(),
  })
  .refine(
    ({ folder, bucket }) => (folder === undefined) !== (bucket === undefined),
    "names either a folder or a bucket",
  );
export const Connection = z.discriminatedUnion("kind", [Relational, Dynamo, Objects]);
export type Connection = z.infer<typeof Connection>;

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const Duration = z
  .string()
  .regex(/^\d{1,5}[smhd]$/, "is a number with s, m, h or d, such as 15m")
  .transform((text) => Number(text.slice(0, -1)) * UNITS[text.at(-1) as keyof typeof UNITS]);

const Schedule = z.union(
  [
    z.strictObject({ every: Duration.refine((seconds) => seconds >= 60, "is a minute at least") }),
    z.strictObject({ at: z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, "is HH:MM") }),
  ],
  'is {"every": "15m"} or {"at": "02:30"}',
);

const Type = z.union([
  z.enum(["string", "int", "bigint", "double", "boolean", "timestamp", "date"]),
  z.templateLiteral(["decimal(", z.int().min(1).max(38), ",", z.int().min(0).max(38), ")"]),
]);

const common = {
  name: Name,
  /** What its events belong to, as a write key's source: orders of one source with one id are one order. */
  source: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default("shop"),
  connection: Name,
  schedule: Schedule.optional(),
};
const mapped = {
  ...common,
  maps: z.enum(sourceKinds),
  /** Role → field. */
  fields: z.record(z.string(), FieldPath),
  /** Further fields that the lake's table keeps under their own names. */
  keep: z.array(FieldPath).default([]),
  /** Fields of a person: never in the lake, never on the stream. Of profiles they become traits of the profile store. */
  personal: z.array(FieldPath).default([]),
  currency: z
    .string()
    .refine((code) => currencyDigits(code) !== undefined, "is not an ISO 4217 currency")
    .optional(),
  /** Values of the role `status` that mean the order does not count. */
  cancelled: z.array(z.string()).default([]),
};

export const RelationalSource = z.strictObject({
  ...mapped,
  table: TableName.optional(),
  query: z.string().min(1).max(20_000).optional(),
  key: z.array(FieldName).min(1).max(6),
  mode: z.enum(["incremental", "snapshot"]),
  watermark: z
    .strictObject({ field: FieldName, overlap: z.union([Duration, z.int().nonnegative()]).default(600) })
    .optional(),
  /** `keys`: every key is read at each load, and what is gone is deleted. A field: a row is deleted where it is set. */
  deletion: z.union([z.enum(["none", "keys"]), z.strictObject({ field: FieldName })]).optional(),
  /** Zone of times that carry none: a name (Europe/Berlin) for PostgreSQL, an offset (+01:00) for MySQL. */
  timezone: z
    .string()
    .regex(/^(?:[A-Za-z_]+(?:\/[A-Za-z_+-]+)*|[+-]\d\d:\d\d)$/)
    .optional(),
  /** Of orders: the table of their lines. They are read with their order. */
  lines: z
    .strictObject({
      table: TableName,
      /** Its field with the order's key. */
      order: FieldName,
      key: z.array(FieldName).min(1).max(4),
      fields: z.record(z.string(), FieldName),
      keep: z.array(FieldName).default([]),
    })
    .optional(),
  /** Rows between two checkpoints. */
  page: z.int().min(100).max(200_000).default(25_000),
  /** Of a table too large for one connection: in AWS Spark reads it in partitions. One machine has its ordinary reader. */
  read: z
    .strictObject({
      spark: z.strictObject({
        /** Of the key, a whole number or a time; the first such field of the key where absent. */
        partition_column: FieldName.optional(),
        /** Also the connections that the database has at once. */
        partitions: z.int().min(2).max(256).default(16),
        /** `whole`: what changed since the load before comes through one connection. */
        loads: z.enum(["whole", "all"]).default("whole"),
      }),
    })
    .optional(),
});
export type RelationalSource = z.infer<typeof RelationalSource>;

export const DynamoSource = z.strictObject({
  ...mapped,
  table: z.string().regex(/^[\w.-]{3,255}$/, "is no name of a DynamoDB table"),
  /** What tells rows apart: not more than the table's own key, and of items that have it alone. */
  key: z.array(FieldName).min(1).max(2),
  /** Only items where these paths have these values: for a table of several kinds. */
  where: z.record(FieldPath, z.string()).default({}),
  /** Types of fields that are not to stay text; of lines under `list.field`. */
  types: z.record(FieldPath, Type).default({}),
  /** `export` needs point-in-time recovery on the table and a bucket; `scan` reads it whole each time. */
  read: z.union(
    [
      z.strictObject({
        scan: z.strictObject({
          units_per_second: z.int().min(1).default(100),
          segments: z.int().min(1).max(64).default(4),
        }),
      }),
      z.strictObject({
        export: z.strictObject({
          bucket: z.string().min(3),
          prefix: z.string().default(""),
          /** False where others have the exports made. */
          request: z.boolean().default(true),
        }),
      }),
    ],
    "is a scan or an export: Spark reads relational tables",
  ),
  lines: z
    .strictObject({
      list: FieldPath,
      key: z.array(FieldPath).max(2).default([]),
      fields: z.record(z.string(), FieldPath),
      keep: z.array(FieldPath).default([]),
    })
    .optional(),
  /** Items between two checkpoints. */
  page: z.int().min(100).max(200_000).default(10_000),
});
export type DynamoSource = z.infer<typeof DynamoSource>;

export const ObjectsSource = z.strictObject({
  ...common,
  prefix: z.string().max(500).default(""),
  /** Seconds after which an object that nobody touched is whole. */
  settle: Duration.prefault("1m"),
  /** How its files are read, as with an upload. */
  options: UploadOptions.default({}),
});
export type ObjectsSource = z.infer<typeof ObjectsSource>;

const File = z.strictObject({
  connections: z.record(Name, Connection),
  sources: z.array(z.unknown()),
});

export type Source =
  | {
      readonly kind: "relational";
      readonly connection: Extract<Connection, { kind: "postgres" | "mysql" }>;
      readonly spec: RelationalSource;
    }
  | {
      readonly kind: "dynamodb";
      readonly connection: Extract<Connection, { kind: "dynamodb" }>;
      readonly spec: DynamoSource;
    }
  | {
      readonly kind: "objects";
      readonly connection: Extract<Connection, { kind: "objects" }>;
      readonly spec: ObjectsSource;
    };

/** All that is wrong with a file of sources. */
export class SourcesInvalid extends Error {
  override readonly name = "SourcesInvalid";
}

/** @throws SourcesInvalid with every fault */
export const parseSources = (value: unknown): readonly Source[] => {
  const file = File.safeParse(value);
  if (!file.success) throw new SourcesInvalid(faultsOf("", file.error.issues).join("\n"));
  const faults: string[] = [];
  const sources: Source[] = [];
  for (const [index, raw] of file.data.sources.entries()) {
    const named = z.object({ name: z.string(), connection: z.string() }).safeParse(raw);
    const place = named.success ? `source "${named.data.name}"` : `sources[${index}]`;
    const connection = named.success ? file.data.connections[named.data.connection] : undefined;
    if (connection === undefined) {
      faults.push(`${place}: connection names none of the connections`);
      continue;
    }
    const schema =
      connection.kind === "dynamodb" ? DynamoSource : connection.kind === "objects" ? ObjectsSource : RelationalSource;
    const parsed = schema.safeParse(raw);
    if (!parsed.success) {
      faults.push(...faultsOf(`${place}: `, parsed.error.issues));
      continue;
    }
    const kind = connection.kind === "dynamodb" || connection.kind === "objects" ? connection.kind : "relational";
    const source = { kind, connection, spec: parsed.data } as Source;
    faults.push(...meaningFaults(source).map((fault) => `${place}: ${fault}`));
    if (sources.some(({ spec }) => spec.name === source.spec.name))
      faults.push(`${place}: there is another one of that name`);
    sources.push(source);
  }
  if (faults.length > 0) throw new SourcesInvalid(faults.join("\n"));
  return sources;
};

const faultsOf = (place: string, issues: readonly z.core.$ZodIssue[]): string[] =>
  issues.map(({ path, message }) => `${place}${path.join(".")} ${message}`);

/** Types of what is not read, and lists of lines that are read as something else too. */
const documentFaults = ({ types, fields, keep, personal, key, lines }: DynamoSource): string[] => {
  const inList = lines === undefined ? [] : [...Object.values(lines.fields), ...lines.keep, ...lines.key];
  const read = new Set([...Object.values(fields), ...keep, ...personal, ...key]);
  const known = new Set([...read, ...inList.map((path) => `${lines!.list}.${path}`)]);
  const faults = Object.keys(types).filter((path) => !known.has(path));
  return faults.length === 0 ? [] : [`types.${faults.join(", types.")} is of no field that is read`];
};

/** Every field that a table of the lake has: roles, what is kept, and what tells rows apart or in which order they come. */
const inLake = ({ kind, spec }: Exclude<Source, { kind: "objects" }>): readonly string[] => {
  const own = [...Object.values(spec.fields), ...spec.keep, ...spec.key];
  if (kind === "relational") return spec.watermark === undefined ? own : [...own, spec.watermark.field];
  const { lines } = spec;
  if (lines === undefined) return own;
  return [
    ...own,
    ...[...Object.values(lines.fields), ...lines.keep, ...lines.key].map((path) => `${lines.list}.${path}`),
  ];
};

/** Whether a path is another one, or within the map that the other one names. */
const isWithin = (path: string, other: string): boolean => path === other || path.startsWith(`${other}.`);

/** What no single field shows. */
const meaningFaults = (source: Source): string[] => {
  if (source.kind === "objects") return [];
  const { spec } = source;
  const faults: string[] = [];
  const unknown = Object.keys(spec.fields).filter((role) => !isRole(spec.maps, role));
  if (unknown.length > 0)
    faults.push(`fields.${unknown.join(", ")} is no role of ${spec.maps}; there are ${rolesOf(spec.maps).join(", ")}`);
  for (const role of requiredRoles(spec.maps))
    if (spec.fields[role] === undefined) faults.push(`fields.${role} is needed for ${spec.maps}`);
  for (const field of spec.personal)
    if (inLake(source).some((kept) => isWithin(field, kept) || isWithin(kept, field)))
      faults.push(`personal field ${field} is also to be kept in the lake`);
  if (spec.maps === "orders" && spec.fields["total"] === undefined && spec.lines === undefined)
    faults.push("orders need fields.total or lines");
  if (spec.lines !== undefined) {
    if (spec.maps !== "orders") faults.push("lines are of orders alone");
    if (spec.key.length !== 1) faults.push("orders with lines have a key of one field");
    const wrong = Object.keys(spec.lines.fields).filter((role) => !isRole("order_lines", role));
    if (wrong.length > 0) faults.push(`lines.fields.${wrong.join(", ")} is no role of order_lines`);
  }
  if (source.kind === "dynamodb") faults.push(...documentFaults(source.spec));
  if (source.kind === "relational") {
    const { table, query, mode, watermark, deletion, key, read } = source.spec;
    const column = read?.spark.partition_column;
    if (column !== undefined && !key.includes(column))
      faults.push(`read.spark.partition_column ${column} is no field of the key: a row could move while it is read`);
    if ((table === undefined) === (query === undefined)) faults.push("names either a table or a query");
    if (mode === "incremental" && watermark === undefined) faults.push("an incremental source needs a watermark");
    if (mode === "snapshot" && watermark !== undefined) faults.push("a snapshot reads everything: it has no watermark");
    if (mode === "snapshot" && deletion === "keys")
      faults.push("a snapshot sees what is gone without reading the keys apart");
    if (mode === "incremental" && deletion === undefined)
      faults.push('an incremental source says how deletions show: "keys", {"field": …} or "none"');
  }
  return faults;
};
