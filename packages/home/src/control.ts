/** Addresses by which the other commands of this machine's user talk to the running home. Never part of the API. */
import { timingSafeEqual } from "node:crypto";
import { type HttpResult, json } from "@ebb/functions/runtime/http";
import { Problem, problemResponse } from "@ebb/functions/runtime/problem";
import { sha256 } from "@ebb/core/ids";
import type { Control } from "./http-server.ts";

export interface Controls {
  readonly flush: () => Promise<void>;
  readonly settle: () => Promise<void>;
  readonly status: () => unknown;
}

export const control = (token: string, { flush, settle, status }: Controls): Control => {
  const expected = Buffer.from(sha256(`Bearer ${token}`));
  const actions = new Map<string, () => Promise<unknown>>([
    ["POST /_ebb/flush", flush],
    ["POST /_ebb/settle", settle],
    ["GET /_ebb/status", async () => status()],
  ]);
  return (method, path, headers) => {
    if (!path.startsWith("/_ebb/")) return undefined;
    return answer(async () => {
      if (!timingSafeEqual(Buffer.from(sha256(headers.authorization ?? "")), expected))
        throw new Problem("unauthorized", "This address takes the token in the folder's home.json.");
      const action = actions.get(`${method} ${path}`);
      if (action === undefined) throw new Problem("not_found", "There is no such control.");
      return (await action()) ?? {};
    });
  };
};

const answer = async (act: () => Promise<unknown>): Promise<HttpResult> => {
  try {
    return json(200, await act());
  } catch (error) {
    if (error instanceof Problem) return problemResponse(error);
    return problemResponse(new Problem("unavailable", error instanceof Error ? error.message : String(error)));
  }
};
