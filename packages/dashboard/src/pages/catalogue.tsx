/** Every table of the lake and every declared source, as the definitions have them. */
import type { Catalogue, CatalogueSource, CatalogueTable } from "../answers.ts";
import { ago, instant } from "../format.ts";
import { Panel } from "../parts/panel.tsx";
import { Answered, Empty } from "../parts/state.tsx";
import { TableHead } from "../parts/table-head.tsx";
import { useAnswer } from "../use-answer.ts";

const kinds: Readonly<Record<CatalogueTable["kind"], string>> = {
  events: "Events as they arrived",
  view: "Views: as fresh as the events",
  run: "Tables of the batch run: as fresh as the run that wrote them",
};

export const CataloguePage = () => {
  const catalogue = useAnswer<Catalogue>("/v1/catalogue");
  return (
    <>
      <h1>Data catalogue</h1>
      <Answered answer={catalogue}>
        {({ sources, tables }) => (
          <div class="panels">
            <Panel title="Declared sources" wide note="What is read from where, how often, and what is personal.">
              {sources.length === 0 ? (
                <Empty title="None is declared." />
              ) : (
                sources.map((source) => <Source key={source.name} source={source} />)
              )}
            </Panel>
            {(["events", "view", "run"] as const).map((kind) => (
              <Panel key={kind} title={kinds[kind]} wide>
                {tables
                  .filter((table) => table.kind === kind)
                  .map((table) => (
                    <Table key={table.name} table={table} />
                  ))}
              </Panel>
            ))}
          </div>
        )}
      </Answered>
    </>
  );
};

const Source = ({ source }: { source: CatalogueSource }) => {
  const { name, maps, schedule, from, connection, key, watermark, personal, currency, tables } = source;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Maps to", maps],
    ["Reads", `${from ?? "a query"} of ${connection}`],
    ["Key", key.join(", ")],
    ["Watermark", watermark],
    ["Schedule", schedule],
    ["Personal, not in the lake", personal.join(", ")],
    ["Currency", currency],
  ];
  return (
    <details class="entry">
      <summary>
        <code>{name}</code> {maps}, {schedule}
        {source.loaded_at !== undefined && (
          <time class="soft" dateTime={source.loaded_at} title={instant(source.loaded_at)}>
            , loaded {ago(source.loaded_at)}
          </time>
        )}
      </summary>
      <ul>
        {facts
          .filter(([, text]) => text !== undefined && text !== "")
          .map(([fact, text]) => (
            <li key={fact}>
              {fact}: {text}
            </li>
          ))}
      </ul>
      {tables.map(({ name: table, filled, columns }) => (
        <Columns
          key={table}
          label={filled ? table : `${table} (not filled yet)`}
          columns={columns.map((column) => ({
            name: column.name,
            type: column.type ?? "",
            description: `${column.pseudonym ? "pseudonym of" : "as"} ${column.field}${column.key ? " (key)" : ""}`,
          }))}
        />
      ))}
    </details>
  );
};

const Table = ({ table: { name, grain, key, columns } }: { table: CatalogueTable }) => (
  <details class="entry">
    <summary>
      <code>{name}</code> {grain}
    </summary>
    {key.length > 0 && <p>Key: {key.join(", ")}</p>}
    <Columns label={name} columns={columns} />
  </details>
);

const Columns = ({ label, columns }: { label: string; columns: CatalogueTable["columns"] }) => (
  <div class="scroll" tabIndex={0} role="region" aria-label={`Columns of ${label}`}>
    <table>
      <caption>{label}</caption>
      <TableHead columns={["Column", "Type", "Unit", "What it is"]} />
      <tbody>
        {columns.map(({ name, type, unit, description }) => (
          <tr key={name}>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>{type}</td>
            <td>{unit ?? ""}</td>
            <td>{description}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
