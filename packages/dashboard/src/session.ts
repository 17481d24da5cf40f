/** The keys of this tab: they come with the link that the home prints, or are typed in, and go when the tab closes. */

export interface Keys {
  /** Reads everything that the pages show. */
  readonly read?: string;
  /** Sends files. Only the drop zone asks for it. */
  readonly write?: string;
}

const NAME = "ebb.keys";

const stored = (): Keys => {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Keys;
  } catch {
    return {};
  }
};

let keys: Keys = stored();

export const currentKeys = (): Keys => keys;

export const rememberKeys = (more: Keys): void => {
  keys = { ...keys, ...more };
  sessionStorage.setItem(NAME, JSON.stringify(keys));
};

export const forgetKeys = (): void => {
  keys = {};
  sessionStorage.removeItem(NAME);
};

/**
 * Takes keys out of the address (`#/sales?token=…&write=…`) into the session, so that a link copied from the address
 * bar gives nothing away. What follows # never left the browser.
 */
export const takeKeysFromAddress = (): void => {
  const [path = "", query = ""] = location.hash.slice(1).split("?");
  const search = new URLSearchParams(query);
  const read = search.get("token");
  const write = search.get("write");
  if (read === null && write === null) return;
  rememberKeys({ ...(read !== null && { read }), ...(write !== null && { write }) });
  search.delete("token");
  search.delete("write");
  const rest = search.toString();
  history.replaceState(null, "", `#${path === "" ? "/" : path}${rest === "" ? "" : `?${rest}`}`);
};
