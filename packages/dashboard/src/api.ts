/** Calls of Ebb's API, with the reader's key, and its problems (RFC 9457) as errors. */
import { currentKeys } from "./session.ts";

const base = document.querySelector<HTMLMetaElement>("meta[name=ebb-api]")?.content ?? "";

export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export type Parameters = Readonly<Record<string, string | number | undefined>>;

export const address = (path: string, parameters: Parameters = {}): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== "") search.set(name, String(value));
  const query = search.toString();
  return `${base}${path}${query === "" ? "" : `?${query}`}`;
};

const problemOf = async (response: Response): Promise<ApiProblem> => {
  const text = await response.text();
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return new ApiProblem(response.status, detail ?? title ?? response.statusText);
  } catch {
    return new ApiProblem(response.status, response.statusText || `The answer was ${response.status}.`);
  }
};

const call = async (url: string, init: RequestInit, key: string | undefined): Promise<Response> => {
  const headers = new Headers(init.headers);
  if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
  let response;
  try {
    response = await fetch(url, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "Ebb does not answer. Is it running, and is the network there?");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
};

/** @throws ApiProblem; 401 and 403 ask for another key */
export const get = async <T>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<T> =>
  (
    await call(address(path, parameters), signal === undefined ? {} : { signal }, currentKeys().read)
  ).json() as Promise<T>;

/** A list as one CSV, of as many answers as it takes: each names the next. @throws ApiProblem */
export const getCsv = async (path: string, parameters?: Parameters): Promise<string> => {
  const pages: string[] = [];
  for (let next: string | undefined = address(path, parameters); next !== undefined;) {
    const answer: Response = await call(next, { headers: { accept: "text/csv" } }, currentKeys().read);
    const text = await answer.text();
    pages.push(pages.length === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
    const link = /<([^>]*)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    next = link === undefined ? undefined : base + link;
  }
  return pages.join("");
};

/** With the write key. @throws ApiProblem */
export const post = async <T>(path: string, body: unknown): Promise<T> =>
  (
    await call(
      address(path),
      { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
      currentKeys().write,
    )
  ).json() as Promise<T>;
