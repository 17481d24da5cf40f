/** Who asks, and whether it may: the key of a request against the scopes that declarations.ts gives its route. */
import type { Scope } from "@ebb/core/scopes";
import type { ApiKey, KeyRing } from "@ebb/ports";
import { isKeyed, routes } from "../declarations.ts";
import { type HttpEvent, header } from "./http.ts";
import { Problem } from "./problem.ts";
import { spend } from "./rate-limits.ts";

/** The key a client presents, wherever its SDK puts it: Basic user, Bearer, X-Write-Key, query. `undefined` if none. */
export const presentedKey = (event: HttpEvent): string | undefined => {
  const authorization = header(event, "authorization");
  if (authorization !== undefined) {
    const [scheme, value = ""] = authorization.split(" ", 2);
    if (/^basic$/i.test(scheme ?? "")) {
      const user = Buffer.from(value, "base64").toString("utf8").split(":", 1)[0];
      if (user) return user;
    }
    if (/^bearer$/i.test(scheme ?? "") && value !== "") return value;
  }
  const query = event.queryStringParameters ?? {};
  return header(event, "x-write-key") || query["writeKey"] || query["writekey"] || query["write_key"] || undefined;
};

const scopesByRoute: ReadonlyMap<string, readonly Scope[]> = new Map(
  routes.flatMap(({ method, path, auth }) => (isKeyed(auth) ? [[`${method} ${path}`, auth] as const] : [])),
);

/**
 * The key of a request whose route asks for one. Scopes are those of the event's route, never the handler's own words, so
 * that the table of routes is the whole truth.
 *
 * @throws Problem 401 without a valid key, 403 where its scopes do not reach, 413 and 429 where its limits are passed
 */
export const authorize = async (
  keys: KeyRing,
  event: HttpEvent,
  presented: string | undefined = presentedKey(event),
): Promise<ApiKey> => {
  const scopes = scopesByRoute.get(event.routeKey);
  if (scopes === undefined) throw new Error(`no route with a key is declared as ${event.routeKey}`);
  if (presented === undefined)
    throw new Problem(
      "unauthorized",
      "No key was sent. Send it as the Basic user name, as a Bearer token or in X-Write-Key.",
    );
  const key = await keys.find(presented);
  if (key === undefined) throw new Problem("unauthorized", "The key is not known, has expired or was revoked.");
  if (!scopes.some((scope) => key.scopes.includes(scope)))
    throw new Problem(
      "forbidden",
      `This needs a key with the scope ${scopes.join(" or ")}; the key that was sent has ${key.scopes.join(", ")}.`,
    );
  const { bodyBytes } = key.limits ?? {};
  if (bodyBytes !== undefined && (event.body?.length ?? 0) > bodyBytes)
    throw new Problem(
      "too_large",
      `The key ${key.id} may send at most ${bodyBytes.toLocaleString("en")} bytes at once.`,
      {
        limit_bytes: bodyBytes,
      },
    );
  spend(keys, key, "requests", 1, event.requestContext.timeEpoch);
  return key;
};
