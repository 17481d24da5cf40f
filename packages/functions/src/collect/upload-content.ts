/**
 * Takes the content of an upload on one machine, where there is no S3 to take it: the body goes to the object store as
 * it comes, and the upload is queued once all of it is durable. Who may send it is settled before: the URL is signed.
 */
import type { ReceiptId } from "@ebb/core/ids";
import type { Ports } from "@ebb/ports";
import { routes } from "../declarations.ts";
import type { HttpEvent, HttpResult } from "../runtime/http.ts";
import { header, httpHandler, json } from "../runtime/http.ts";
import { Problem } from "../runtime/problem.ts";
import { uploadAnswer } from "./files/upload-answer.ts";

type ContentPorts = Pick<Ports, "now" | "uploads" | "objects" | "jobs">;

const maxBytes = routes.find(({ handler }) => handler === "collect/upload-content")!.bodyBytes!;

async function* limited(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new Problem("too_large", `A file has at most ${maxBytes.toLocaleString("en")} bytes.`, {
        limit_bytes: maxBytes,
      });
    yield chunk;
  }
}

const takeContent = async (
  ports: ContentPorts,
  event: HttpEvent,
  body: AsyncIterable<Uint8Array>,
): Promise<HttpResult> => {
  const upload = await ports.uploads.get(event.pathParameters?.["id"] as ReceiptId);
  if (upload === undefined) throw new Problem("not_found", "There is no such upload.");
  if (upload.state !== "awaiting_content")
    throw new Problem("conflict", `The content of this upload has arrived before; its state is ${upload.state}.`);
  const encoding = header(event, "content-encoding") ?? "identity";
  if (!/^(?:identity|gzip|x-gzip)$/i.test(encoding))
    throw new Problem(
      "unsupported_media_type",
      `Content encoding "${encoding.slice(0, 40)}" is not supported; use gzip or none.`,
    );
  await ports.objects.put(upload.objectKey, limited(body));
  const now = ports.now();
  const { progress: _none, ...rest } = upload;
  const queued = { ...rest, state: "queued" as const, updatedAtMs: now };
  await ports.uploads.put(queued);
  await ports.jobs.processUpload(upload.uploadId);
  return json(202, uploadAnswer(queued));
};

/** The body comes beside the event, as it arrives. */
export const makeStreaming =
  (ports: ContentPorts) =>
  (
    event: HttpEvent,
    body: AsyncIterable<Uint8Array>,
    context: Parameters<ReturnType<typeof httpHandler>>[1],
  ): Promise<HttpResult> =>
    httpHandler((one) => takeContent(ports, one, body))(event, context);
