import type { ReasonCode, Refusal } from "@ebb/core/reasons";

/** The file as a whole cannot be read: the upload fails and says what was expected. */
export class FileProblem extends Error {
  override readonly name = "FileProblem";
  readonly refusal: Refusal;
  /** More for a program to read: the headers that were expected. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: ReasonCode, message: string, extra: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, { cause });
    this.refusal = { code, message };
    this.extra = extra;
  }
}
