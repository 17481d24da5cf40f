/** What more than one dialect writes alike. */

/** The name of a member of a JSON object, if it needs no quoting in any engine's path language. */
export const plainMember = (member: string): string => {
  if (!/^[A-Za-z_]\w*$/.test(member)) throw new TypeError(`Not a plain name of a JSON member: ${member}`);
  return member;
};

/** NULL for text that may be an object or an array: Spark cannot tell those from text that looks like them. */
export const scalarOnly = (text: string): string =>
  `CASE WHEN ${text} NOT LIKE '{%' AND ${text} NOT LIKE '[%' THEN ${text} END`;

export const ratio = (numerator: string, denominator: string): string =>
  `(CAST(${numerator} AS double) / nullif(CAST(${denominator} AS double), 0e0))`;
export const truncDay = (instant: string): string => `CAST(${instant} AS date)`;
export const truncMonth = (instant: string): string => `CAST(date_trunc('month', ${instant}) AS date)`;
export const monthOfYear = (instant: string): string => `CAST(extract(month FROM ${instant}) AS bigint)`;

/**
 * Text as an expression that every engine reads alike. Quotes and backslashes stand by their code: a doubled quote is not
 * one quote to Spark 3.5 (it joins what stands on both sides), and to Spark a backslash escapes.
 *
 * @example textLiteral("Can't Lose") // concat('Can', chr(39), 't Lose')
 */
export const textLiteral = (value: string): string => {
  const pieces = value.split(/(['\\])/).filter((piece) => piece !== "");
  if (pieces.length === 0) return "''";
  const written = pieces.map((piece) =>
    piece === "'" || piece === "\\" ? `chr(${piece.charCodeAt(0)})` : `'${piece}'`,
  );
  return written.length === 1 ? written[0]! : `concat(${written.join(", ")})`;
};
