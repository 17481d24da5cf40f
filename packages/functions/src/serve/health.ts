/**
 * Whether a home is alive, and whether it can do its work. `/v1/health` (and `/healthz`) says only that requests are taken:
 * for what starts a process again. `/v1/ready` looks at what a request needs: for load balancers and scripts that wait.
 * Both are for anybody to call: they name what is amiss and no figures.
 */
import type { Ports, Vital } from "@ebb/ports";
import { logger } from "../runtime/logger.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";

/** An answer is kept this long: whoever asks often costs no more than one who asks now and then. */
const KEPT_MS = 2_000;
/** A store that takes longer does not answer. */
const PATIENCE_MS = 3_000;

export const make = ({ now, customers, vitals }: Pick<Ports, "now" | "customers" | "vitals">): HttpHandler => {
  let kept: { readonly atMs: number; readonly checks: Promise<readonly Vital[]> } | undefined;
  return httpHandler(async (event) => {
    if (!event.rawPath.endsWith("/ready")) return json(200, { status: "ok" });
    const age = kept === undefined ? Infinity : now() - kept.atMs;
    // A clock that was put back makes no answer last.
    if (kept === undefined || age > KEPT_MS || age < 0) kept = { atMs: now(), checks: checked(customers, vitals) };
    const checks = await kept.checks;
    const ready = checks.every(({ ok }) => ok);
    return json(
      ready ? 200 : 503,
      { status: ready ? "ready" : "not_ready", checks },
      ready ? {} : { "retry-after": "5" },
    );
  });
};

const checked = async (customers: Ports["customers"], vitals: Ports["vitals"]): Promise<readonly Vital[]> => [
  await answers("customer_store", () => customers.cutPoints()),
  ...(await vitals.check()),
];

const answers = async (name: string, ask: () => Promise<unknown>): Promise<Vital> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), PATIENCE_MS);
  });
  try {
    await Promise.race([ask(), late]);
    return { name, ok: true };
  } catch (error) {
    logger.warn("a store does not answer", {
      store: name,
      error: error instanceof Error ? error.message : String(error),
    });
    return { name, ok: false, detail: "It does not answer." };
  } finally {
    clearTimeout(timer);
  }
};

export const handler = onAws(make);
