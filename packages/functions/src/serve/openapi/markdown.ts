/** docs/events.md: what a producer may send, one table an event kind, from the same schemas as the API's description. */
import { eventKinds, kindNames } from "@ebb/core/kinds";
import { type JsonSchema, eventSchemaName, eventSchemas } from "./schemas.ts";

const HEAD = `# Events

What a producer sends, by kind. This page is generated from the definitions in \`packages/core/src/wire\` (\`node scripts/events.ts\`).

The calls are those of the Segment HTTP Tracking API, the names those of the E-commerce Spec v2. A field that is not listed is left out and counted in \`dropped_fields\`. **Personal** fields never reach the stream or the lake: ids leave as pseudonyms, the rest is not kept there. \`null\` and \`""\` count as absent where a field may be absent.

- **Time.** An event happened at its \`timestamp\`, else \`originalTimestamp\`, else when it was received. A producer's clock that \`sentAt\` shows to be more than a minute off is corrected by that difference; less is the way of the request, and a retry must not change when an event happened. Late events are as good as any; more than a day in the future is refused.
- **Identity.** \`messageId\`, within its source. An event without one gets an id here and cannot be de-duplicated.
- **Money.** Major units as a number or its text (\`"12.50"\`). \`currency\` is ISO 4217, the reporting currency where absent; another one needs a rate.
- **An order's value** is \`revenue\`, else \`subtotal\`, else \`total\` − \`shipping\` − \`tax\`, else the sum of its lines − \`discount\`. A line without a price counts as price 0, without a quantity as 1.
- **A later state of an order** replaces an earlier one by time; at one instant a cancellation outranks an update, an update the order.

`;

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const typeOf = (schema: JsonSchema): string => {
  if (typeof schema["$ref"] === "string") {
    const name = schema["$ref"].split("/").at(-1)!;
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema["const"] !== undefined) return `\`${JSON.stringify(schema["const"])}\``;
  const options = schema["anyOf"] ?? schema["allOf"];
  if (Array.isArray(options)) {
    const types = [...new Set((options as JsonSchema[]).flatMap((option) => typeOf(option).split(" or ")))];
    const known = types.filter((type) => type !== "anything");
    return (known.length > 0 ? known : types).join(" or ");
  }
  if (schema["type"] === "array") return `list of ${typeOf((schema["items"] ?? {}) as JsonSchema)}`;
  const types = [schema["type"] ?? "anything"].flat() as string[];
  return types.join(" or ");
};

const withoutNull = (type: string): string => type.replace(/ or null$/, "");

const rowsOf = (schema: JsonSchema, prefix: string, skip: ReadonlySet<string>): string[] => {
  const required = new Set((schema["required"] ?? []) as string[]);
  return Object.entries((schema["properties"] ?? {}) as Record<string, JsonSchema>).flatMap(([name, field]) => {
    if (skip.has(name)) return [];
    const nested = [field, ...((field["anyOf"] ?? []) as JsonSchema[])].find((option) => option["properties"]);
    if (nested !== undefined) return rowsOf(nested, `${prefix}${name}.`, NONE);
    const marks = [required.has(name) ? "required" : "", field["x-personal"] === true ? "**personal**" : ""];
    const text = typeof field["description"] === "string" ? field["description"] : "";
    const note = [marks.filter(Boolean).join(", "), text].filter(Boolean).join(". ");
    return [`| \`${prefix}${name}\` | ${cell(withoutNull(typeOf(field)))} | ${cell(note)} |`];
  });
};

const NONE: ReadonlySet<string> = new Set();
const tableOf = (rows: readonly string[]): string =>
  rows.length === 0 ? "" : `| Field | Type | |\n| --- | --- | --- |\n${rows.join("\n")}\n\n`;

export const eventsPage = (): string => {
  const schemas = eventSchemas();
  const fieldNames = (name: string) => Object.keys(schemas[name]?.["properties"] ?? {});
  const common = new Set(
    fieldNames("OrderCompletedEvent").filter((field) =>
      eventKinds.every((kind) => fieldNames(eventSchemaName(kind)).includes(field)),
    ),
  );
  const first = schemas["OrderCompletedEvent"]!;
  const all = (first["properties"] ?? {}) as Record<string, JsonSchema>;
  const shared = {
    properties: Object.fromEntries(Object.entries(all).filter(([name]) => common.has(name) && name !== "type")),
  };
  const events = new Set(["Event", ...eventKinds.map(eventSchemaName)]);
  const skip = new Set([...common, "event"]);
  const section = (title: string, schema: JsonSchema, except: ReadonlySet<string>): string =>
    `## ${title}\n\n${typeof schema["description"] === "string" ? `${schema["description"]}\n\n` : ""}${tableOf(rowsOf(schema, "", except))}`;
  return [
    HEAD,
    section("Every event", { ...shared, description: "Fields that any call may carry." }, NONE),
    ...eventKinds.map((kind) => section(kindNames[kind], schemas[eventSchemaName(kind)]!, skip)),
    ...Object.entries(schemas)
      .filter(([name]) => !events.has(name))
      .map(([name, schema]) => section(name, schema, NONE)),
  ]
    .join("")
    .trimEnd()
    .concat("\n");
};
