import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { type CsvCell, csvOf } from "@ebb/core/spreadsheet-csv";
import { download } from "../download.ts";

export interface Sheet {
  /** Without extension. */
  readonly filename: string;
  readonly header: readonly string[];
  readonly rows: () => readonly (readonly CsvCell[])[];
}

/** A titled part of a page. With a sheet its figures can be read as a table and taken away as CSV. */
export const Panel = ({
  title,
  note,
  sheet,
  wide = false,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  sheet?: Sheet | undefined;
  wide?: boolean;
  children: ComponentChildren;
}) => {
  const id = useId();
  const [asTable, setAsTable] = useState(false);
  return (
    <section class={wide ? "panel wide" : "panel"} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {sheet !== undefined && (
          <div class="panel-actions">
            <button type="button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
              Table
            </button>
            <button
              type="button"
              aria-label={`Download ${title} as CSV`}
              onClick={() => download(`${sheet.filename}.csv`, csvOf(sheet.header, sheet.rows()))}
            >
              CSV
            </button>
          </div>
        )}
      </header>
      {note !== undefined && <p class="note">{note}</p>}
      {asTable && sheet !== undefined ? <SheetTable sheet={sheet} title={title} /> : children}
    </section>
  );
};

const SHOWN_ROWS = 500;

const SheetTable = ({ sheet, title }: { sheet: Sheet; title: string }) => {
  const rows = sheet.rows();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table>
        <thead>
          <tr>
            {sheet.header.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN_ROWS).map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} class={typeof cell === "number" ? "number" : undefined}>
                  {String(cell ?? "")}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN_ROWS && (
        <p class="note">
          The first {SHOWN_ROWS} of {rows.length} rows; the CSV has all.
        </p>
      )}
    </div>
  );
};
