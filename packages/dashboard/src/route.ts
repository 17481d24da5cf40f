/** Where the reader is: `#/page/part?name=value`. All that shapes a view stands there, so that a link reproduces it. */
import { useEffect, useState } from "preact/hooks";

export interface Route {
  readonly page: string;
  /** What follows the page's name, e.g. a customer. */
  readonly part: string | undefined;
  readonly search: URLSearchParams;
}

export const currentRoute = (): Route => {
  const [path = "", query = ""] = location.hash.slice(1).split("?");
  const [page = "", part] = path.split("/").slice(1).map(decodeURIComponent);
  return { page: page === "" ? "sales" : page, part, search: new URLSearchParams(query) };
};

export const linkTo = (
  page: string,
  parameters: Readonly<Record<string, string | undefined>> = {},
  part?: string,
): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== "") search.set(name, value);
  const query = search.toString();
  return `#/${page}${part === undefined ? "" : `/${encodeURIComponent(part)}`}${query === "" ? "" : `?${query}`}`;
};

/** Changes parameters of the view without a new entry in the history: going back leaves the page, not the last drag. */
export const changeView = (changes: Readonly<Record<string, string | undefined>>): void => {
  const { page, part, search } = currentRoute();
  const next = { ...Object.fromEntries(search), ...changes };
  history.replaceState(null, "", linkTo(page, next, part));
  dispatchEvent(new HashChangeEvent("hashchange"));
};

export const useRoute = (): Route => {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
};
