/** One record of a delimited file as its fields (RFC 4180, with literal quotes inside unquoted fields let through). */

/** `undefined` for a quoted field that does not end, or that goes on after its closing quote. */
export const fieldsOf = (record: string, delimiter: string): string[] | undefined => {
  if (!record.includes('"')) return record.split(delimiter);
  const fields: string[] = [];
  for (let at = 0; ;) {
    if (record.charCodeAt(at) !== 34) {
      const end = record.indexOf(delimiter, at);
      if (end === -1) {
        fields.push(record.slice(at));
        return fields;
      }
      fields.push(record.slice(at, end));
      at = end + 1;
      continue;
    }
    let close = record.indexOf('"', at + 1);
    let doubled = false;
    while (close !== -1 && record.charCodeAt(close + 1) === 34) {
      doubled = true;
      close = record.indexOf('"', close + 2);
    }
    if (close === -1) return undefined;
    const value = record.slice(at + 1, close);
    fields.push(doubled ? value.replaceAll('""', '"') : value);
    if (close + 1 === record.length) return fields;
    if (record[close + 1] !== delimiter) return undefined;
    at = close + 2;
  }
};

/** Fields separated by runs of blanks; blanks at the ends do not count (CDNOW). */
export const blankSeparated = (record: string): string[] => record.trim().split(/[ \t]+/);

const DELIMITERS = [",", ";", "\t", "|"] as const;

/** The delimiter that splits the header into the most fields; a comma where none splits it. */
export const delimiterOf = (header: string): string => {
  let best = ",";
  let most = 1;
  for (const delimiter of DELIMITERS) {
    const fields = fieldsOf(header, delimiter)?.length ?? 0;
    if (fields > most) [best, most] = [delimiter, fields];
  }
  return best;
};
