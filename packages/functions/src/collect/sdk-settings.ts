/**
 * What browser SDKs ask for before they send: Segment's project settings and RudderStack's source configuration. Both
 * say that this server takes the events, that there are no destinations, and that nothing is reported elsewhere.
 */
import { sha256 } from "@ebb/core/ids";
import type { Ports } from "@ebb/ports";
import { presentedKey } from "../runtime/authorisation.ts";
import { type HttpEvent, type HttpHandler, header, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";

export const make = (ports: Pick<Ports, "keys">): HttpHandler =>
  httpHandler(async (event) => {
    const segment = event.pathParameters?.["key"];
    const writeKey = segment ?? presentedKey(event);
    if (writeKey === undefined) throw new Problem("unauthorized", "No write key was sent: it belongs into writeKey.");
    const key = await ports.keys.find(writeKey);
    if (key?.scopes.includes("write") !== true)
      throw new Problem("not_found", "There is no source with this write key.");
    return json(200, segment === undefined ? sourceConfig(event, writeKey) : projectSettings(event, writeKey));
  });

export const handler = onAws(make);

/** Where this request came to, as its sender sees it. A proxy in front says so in X-Forwarded-Proto. */
const address = (event: HttpEvent): { protocol: string; host: string } => {
  const protocol = header(event, "x-forwarded-proto")?.split(",", 1)[0]?.trim() === "https" ? "https" : "http";
  const host = header(event, "host") ?? event.requestContext.domainName;
  if (!/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(host))
    throw new Problem("bad_request", "The Host header is not a host.");
  return { protocol, host };
};

/**
 * `@segment/analytics-next` 1.84: `integrations` must hold `Segment.io`; `metrics.sampleRate` 0 turns off the reports
 * that it would send to Segment.
 */
const projectSettings = (event: HttpEvent, writeKey: string) => {
  const { protocol, host } = address(event);
  return {
    integrations: {
      "Segment.io": {
        apiKey: writeKey,
        apiHost: `${host}/v1`,
        protocol,
        unbundledIntegrations: [],
        addBundledMetadata: true,
        maybeBundledConfigIds: {},
        versionSettings: { version: "4.4.7", componentTypes: ["browser"] },
      },
    },
    plan: { track: { __default: { enabled: true, integrations: {} } }, identify: { __default: { enabled: true } } },
    edgeFunction: {},
    analyticsNextEnabled: true,
    middlewareSettings: { routingRules: [] },
    enabledMiddleware: {},
    metrics: { sampleRate: 0, host: `${host}/v1` },
    legacyVideoPluginsEnabled: false,
    remotePlugins: [],
  };
};

/** `@rudderstack/analytics-js` 3.34: `source` with an id, a config and a list of destinations. */
const sourceConfig = (event: HttpEvent, writeKey: string) => {
  const { protocol, host } = address(event);
  const id = sha256(writeKey).slice(0, 27);
  const url = `${protocol}://${host}`;
  return {
    source: {
      id,
      name: "ebb",
      writeKey,
      enabled: true,
      workspaceId: "ebb",
      config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
      connections: [],
      destinations: [],
      dataplanes: { US: [{ url, default: true }] },
      dataplaneUrl: url,
    },
    consentManagementMetadata: { providers: [] },
  };
};
