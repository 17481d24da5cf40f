/** CSV that a spreadsheet opens without running anything in it (RFC 4180). */
export type CsvCell = string | number | boolean | null | undefined;

/** Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection). */
const cellOf = (value: CsvCell): string => {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

export const csvOf = (header: readonly string[], rows: readonly (readonly CsvCell[])[]): string =>
  [header, ...rows].map((row) => row.map(cellOf).join(",")).join("\r\n") + "\r\n";
