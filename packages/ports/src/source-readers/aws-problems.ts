/** Errors of AWS calls as a source's problems. */
import { isTransient } from "../aws/errors.ts";
import { SourceProblem } from "../source-ports.ts";

const refused =
  /^(?:AccessDenied|AccessDeniedException|UnrecognizedClientException|InvalidSignatureException|ExpiredToken(?:Exception)?|InvalidAccessKeyId|SignatureDoesNotMatch|MissingAuthenticationToken(?:Exception)?|AuthFailure|Forbidden|KMSAccessDeniedException)$/;

/** @param what "the table orders", "the bucket exports" */
export const awsProblem = (source: string, what: string, error: unknown): Error => {
  if (error instanceof SourceProblem) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  const problem = (code: ConstructorParameters<typeof SourceProblem>[0], text: string): SourceProblem =>
    new SourceProblem(code, source, text, { cause: error });
  if (name === "ResourceNotFoundException" || name === "TableNotFoundException" || name === "NoSuchBucket")
    return problem("no_table", `${what} is not there. Was it renamed, or is it in another region?`);
  if (refused.test(name)) return problem("access", `AWS refused to have ${what} read (${name}): see docs/sources.md.`);
  if (name === "CredentialsProviderError" || /credentials|Region is missing/i.test(message))
    return problem("secret", `there are no credentials of AWS, or no region, with which to read ${what}.`);
  if (isTransient(error))
    return problem("unreachable", `${what} could not be read for now (${name}): the load goes on where it stopped.`);
  return error instanceof Error ? error : new Error(message);
};
