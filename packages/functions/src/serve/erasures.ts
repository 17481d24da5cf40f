/**
 * The right to be forgotten: `DELETE /v1/customers/{id}` for one, `POST /v1/erasures` for many. When it is answered nothing
 * new of them is taken in and no answer tells of them; the erasure that empties the stores goes on behind, and leaves a
 * signed receipt.
 */
import type { CustomerKey } from "@ebb/core/ids";
import type { Erasure, Ports, Subject } from "@ebb/ports";
import { z } from "zod";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpEvent, type HttpHandler, type HttpResult, decodedBody, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { customerKeyOf, isCustomerKey } from "./customer-key.ts";
import { pageFrom, pageOf } from "./paging.ts";

export type ErasurePorts = Pick<
  Ports,
  "now" | "newId" | "keys" | "pseudonyms" | "profiles" | "suppressions" | "erasures" | "erasing"
>;

/** People of one erasure: their files are rewritten once for all of them. */
export const MOST_CUSTOMERS = 1_000;
const Customers = z.strictObject({
  customer_ids: z.array(z.string().min(1).max(1_024)).min(1).max(MOST_CUSTOMERS),
  again: z.boolean().default(false),
});

export const make = (ports: ErasurePorts): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(ports.keys, event);
    switch (event.routeKey) {
      case "DELETE /v1/customers/{id}":
        return erase(ports, [event.pathParameters?.["id"] ?? ""]);
      case "POST /v1/erasures":
        return eraseMany(ports, await customersOf(event));
      case "DELETE /v1/customers/{id}/suppression":
        return lift(ports, event.pathParameters?.["id"] ?? "");
      case "GET /v1/erasures/{id}":
        return one(ports, event.pathParameters?.["id"] ?? "");
      default:
        return list(ports, event);
    }
  });

export const handler = onAws(make);

const customersOf = async (event: HttpEvent): Promise<z.infer<typeof Customers>> => {
  const body = Customers.safeParse(jsonOf(await decodedBody(event)));
  if (!body.success)
    throw new Problem(
      "bad_request",
      `The body is {"customer_ids": […]} with 1 to ${MOST_CUSTOMERS} ids, and "again": true or nothing else.`,
    );
  return body.data;
};

const jsonOf = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new Problem("invalid_json", "The body is not valid JSON.", {}, error);
  }
};

/** Reads of the profiles that are under way at once. */
const READS = 50;

/** The ids that are known only by their key are looked up while somebody still knows them. */
const subjectsOf = async (ports: ErasurePorts, ids: readonly string[]): Promise<Map<CustomerKey, Subject>> => {
  const subjects = new Map<CustomerKey, Subject>();
  for (let at = 0; at < ids.length; at += READS)
    await Promise.all(
      ids.slice(at, at + READS).map(async (id) => {
        const customerKey = customerKeyOf(id, ports.pseudonyms);
        const customerId = isCustomerKey(id) ? (await ports.profiles.get(customerKey))?.customerId : id;
        subjects.set(customerKey, {
          customerKey,
          ...(customerId === undefined ? {} : { customerId }),
          anonymousKeys: [],
        });
      }),
    );
  return subjects;
};

/** Whoever is erased already is no reason for another erasure: the answer names the one that did it. */
const erase = async (ports: ErasurePorts, ids: readonly string[]): Promise<HttpResult> => {
  const subjects = await subjectsOf(ports, ids);
  const erased = await ports.suppressions.latest();
  const earlier = new Set<string>();
  for (const key of [...subjects.keys()]) {
    const found = erased.find(key);
    if (found === undefined) continue;
    earlier.add(found.erasureId);
    subjects.delete(key);
  }
  if (subjects.size === 0) return repeated(ports, [...earlier][0]!, earlier.size);
  return begun(ports, subjects, ids.length - subjects.size);
};

const eraseMany = async (
  ports: ErasurePorts,
  { customer_ids: ids, again }: z.infer<typeof Customers>,
): Promise<HttpResult> => (again ? eraseAgain(ports, ids) : erase(ports, ids));

/** Where a store was put back from before an erasure: whoever of them is on the list, and nobody else. */
const eraseAgain = async (ports: ErasurePorts, ids: readonly string[]): Promise<HttpResult> => {
  const subjects = await subjectsOf(ports, ids);
  const erased = await ports.suppressions.latest();
  for (const key of [...subjects.keys()]) if (!erased.has(key)) subjects.delete(key);
  if (subjects.size === 0) throw new Problem("not_found", "None of them was erased before.");
  return begun(ports, subjects, 0);
};

const begun = async (
  ports: ErasurePorts,
  subjects: ReadonlyMap<CustomerKey, Subject>,
  earlier: number,
): Promise<HttpResult> => {
  const erasureId = ports.newId("era");
  const requestedAtMs = ports.now();
  const erasure: Erasure = { erasureId, state: "requested", requestedAtMs, customers: subjects.size };
  // In this order: one that stops after the first step is found by the next start, and goes on.
  await ports.erasures.request(erasure, [...subjects.values()]);
  await ports.suppressions.add([...subjects.keys()], erasureId, requestedAtMs);
  await ports.erasing.start(erasureId);
  return accepted(erasure, earlier);
};

/** Asked for before. One that has not ended is started again, which does no harm where it is under way. */
const repeated = async (ports: ErasurePorts, erasureId: string, erasures: number): Promise<HttpResult> => {
  const known = await ports.erasures.get(erasureId);
  if (known !== undefined && known.state !== "done") await ports.erasing.start(erasureId);
  const erasure = known ?? { erasureId, state: "done" as const, requestedAtMs: ports.now(), customers: erasures };
  return accepted(erasure, erasure.customers);
};

const accepted = (erasure: Erasure, earlier: number): HttpResult =>
  json(
    202,
    { ...answerOf(erasure), ...(earlier === 0 ? {} : { erased_before: earlier }) },
    { location: `/v1/erasures/${erasure.erasureId}` },
  );

const answerOf = ({ erasureId, state, requestedAtMs, endedAtMs, customers, step, receipt }: Erasure) => ({
  erasure_id: erasureId,
  state,
  customers,
  requested_at: new Date(requestedAtMs).toISOString(),
  ...(endedAtMs === undefined ? {} : { ended_at: new Date(endedAtMs).toISOString() }),
  ...(step === undefined ? {} : { step }),
  ...(receipt === undefined ? {} : { receipt }),
});

const one = async ({ erasures }: ErasurePorts, id: string): Promise<HttpResult> => {
  const erasure = await erasures.get(id);
  if (erasure === undefined) throw new Problem("not_found", "There is no such erasure.");
  return json(200, answerOf(erasure));
};

const list = async ({ erasures }: ErasurePorts, event: HttpEvent): Promise<HttpResult> => {
  const { limit, cursor } = pageOf(event);
  const page = await pageFrom(erasures.list({ limit, cursor }));
  const brief = page.erasures.map(({ receipt: _receipt, ...erasure }) => answerOf(erasure));
  return json(200, { erasures: brief, ...(page.cursor === undefined ? {} : { cursor: page.cursor }) });
};

/** A person comes back of their own will: from now on they are somebody new. */
const lift = async ({ suppressions, pseudonyms }: ErasurePorts, id: string): Promise<HttpResult> => {
  const lifted = await suppressions.lift([customerKeyOf(id, pseudonyms)]);
  return json(200, { lifted });
};
