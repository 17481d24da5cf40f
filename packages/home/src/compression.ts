/** Answers that are worth it go out compressed, to who takes it. In AWS CloudFront does so, for what comes by the name of the site. */
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import type { HttpResult } from "@ebb/functions/runtime/http";

/** Less fits into one packet anyway. */
const LEAST_BYTES = 1_400;
const compress = promisify(gzip);

const isText = (type: string): boolean => /^(?:application\/(?:[\w.-]+\+)?json|text\/)/.test(type);

/** @param accepts the request's Accept-Encoding */
export const compressed = async (result: HttpResult, accepts: string | string[] | undefined): Promise<HttpResult> => {
  const headers = result.headers ?? {};
  const { body } = result;
  if (body === undefined || body.length < LEAST_BYTES || result.isBase64Encoded === true) return result;
  if (!isText(String(headers["content-type"] ?? "")) || headers["content-encoding"] !== undefined) return result;
  const vary = headers["vary"] === undefined ? "accept-encoding" : `${String(headers["vary"])}, accept-encoding`;
  if (!takesGzip(String(accepts ?? ""))) return { ...result, headers: { ...headers, vary } };
  const bytes = await compress(body, { level: constants.Z_BEST_SPEED });
  return {
    ...result,
    headers: { ...headers, vary, "content-encoding": "gzip" },
    body: bytes.toString("base64"),
    isBase64Encoded: true,
  };
};

/** `gzip;q=0` is a refusal. */
const takesGzip = (accepts: string): boolean =>
  accepts.split(",").some((coding) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(coding));
