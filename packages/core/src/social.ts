/** Texts that people write, without the people: handles, addresses, numbers and the targets of links are masked. */

// Every repetition is bounded: the time a pattern takes grows with the length of the text and no faster.
const EMAIL = /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu;
const LINK = /\bhttps?:\/\/([^\s/?#"'<>]+)[^\s"'<>]*/giu;
// A handle starts where no word character stands before the @; after e-mail addresses are gone every other @ is one.
const HANDLE = /[@＠][\p{L}\p{N}_](?:[\p{L}\p{N}_.-]{0,64}[\p{L}\p{N}_])?/gu;
// Seven digits or more with the usual separators; a price, a year or an order number of six digits is left.
const PHONE = /(?<![\p{L}\p{N}])(?:\+|00)?\(?\d(?:[\s().\-/]{0,2}\d){6,14}(?![\p{L}\p{N}])/gu;

/**
 * Masks @names, e-mail addresses, telephone numbers and what follows the host of a link: `@anna see
 * https://t.co/Ab12` → `@… see https://t.co/…`.
 */
export const maskText = (text: string): string => {
  let masked = text;
  if (masked.includes("://"))
    masked = masked.replace(LINK, (_, host: string) => `https://${host.slice(host.lastIndexOf("@") + 1)}/…`);
  if (masked.includes("@") || masked.includes("＠")) masked = masked.replace(EMAIL, "[email]").replace(HANDLE, "@…");
  return /\d/.test(masked) ? masked.replace(PHONE, "[phone]") : masked;
};

/** Masks only where an address stands: for short texts of which numbers are a part (search terms, paths, product codes). */
export const maskAddresses = (text: string): string => (text.includes("@") ? text.replace(EMAIL, "[email]") : text);
