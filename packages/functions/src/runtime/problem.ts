import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";

/** What is wrong with a request as a whole: RFC 9457 problem details. One code a cause; the status follows from it. */
const problems = {
  bad_request: [400, "The request cannot be understood"],
  invalid_json: [400, "The body is not JSON"],
  invalid_parameter: [400, "A parameter is not valid"],
  unknown_layout: [400, "The file's layout is not known"],
  unauthorized: [401, "A valid key is needed"],
  forbidden: [403, "This key may not do that"],
  invalid_signature: [401, "The signature does not match"],
  not_found: [404, "There is no such thing here"],
  method_not_allowed: [405, "This address does not take that method"],
  too_slow: [408, "The request did not arrive in time"],
  conflict: [409, "The state does not allow that"],
  too_large: [413, "The body is too large"],
  headers_too_large: [431, "The headers are too large"],
  unsupported_media_type: [415, "The content type or encoding is not supported"],
  rate_limited: [429, "More than this key may send just now"],
  internal: [500, "Something went wrong here; it has been logged"],
  unavailable: [503, "Not possible just now; try again"],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problems;

export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly extra: Readonly<Record<string, unknown>>;

  /** @param detail one sentence for a person: what was wrong and what was expected; never a secret or a personal value */
  constructor(code: ProblemCode, detail: string, extra: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(detail, { cause });
    this.code = code;
    this.extra = extra;
  }

  /** Where nothing else is said, a second. */
  get retryAfterSeconds(): number {
    const seconds = this.extra["retry_after_seconds"];
    return typeof seconds === "number" ? seconds : 1;
  }

  get status(): number {
    return problems[this.code][0];
  }
}

export const problemResponse = (problem: Problem): APIGatewayProxyStructuredResultV2 => {
  const [status, title] = problems[problem.code];
  return {
    statusCode: status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 503 || status === 429 ? { "retry-after": String(problem.retryAfterSeconds) } : {}),
      ...(status === 401 ? { "www-authenticate": 'Basic realm="ebb", Bearer' } : {}),
    },
    body: JSON.stringify({
      type: `urn:ebb:problem:${problem.code}`,
      title,
      status,
      detail: problem.message,
      ...problem.extra,
    }),
  };
};
