import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { securityHeaders } from "@ebb/dashboard/headers";
import { dig, evaluateStacks, type ResourceGraph } from "./evaluate.ts";
import { statementsOf } from "./iam.ts";

const built = path.resolve(import.meta.dirname, "../../.sst/dashboard");
const BUCKET = "DashboardAssetsBucket";
const UPLOADS = "https://uploadfilesbucket.s3.us-east-1.amazonaws.com";

let graph: ResourceGraph;
let distribution: Readonly<Record<string, unknown>>;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
  distribution = graph.one("aws:cloudfront/distribution:Distribution").inputs;
});

const ofBucket = (type: string): Readonly<Record<string, unknown>> =>
  graph.ofType(type).find(({ inputs }) => inputs["bucket"] === BUCKET)!.inputs;

describe("the dashboard's files", () => {
  it("are the site that the project builds, which asks its own host and sends files to the bucket of the uploads", () => {
    const page = readFileSync(path.join(built, "index.html"), "utf8");
    assert.match(page, /<meta name="ebb-api" content="" \/>/);
    assert.match(page, new RegExp(`connect-src 'self' ${UPLOADS};`));
    const named = [...page.matchAll(/"assets\/([^"]+)"/g)].map(([, name]) => name!);
    assert.deepEqual(
      named.sort(),
      readdirSync(path.join(built, "assets"))
        .filter((name) => !/\.\d+$/.test(name)) // of a build beside this one
        .sort(),
    );
    const files = graph.one("pulumi-nodejs:dynamic:Resource", "DashboardAssetFiles.sst.aws.BucketFiles").inputs[
      "files"
    ];
    const caches = (files as { key: string; cacheControl: string }[]).map(({ key, cacheControl }) => [
      key.replace(/-[A-Z0-9]{8}\./, "."),
      cacheControl,
    ]);
    assert.deepEqual(caches.filter(([key]) => !/\.\d+$/.test(key!)).sort(), [
      ["assets/app.css", "public, max-age=31536000, immutable"],
      ["assets/app.js", "public, max-age=31536000, immutable"],
      ["index.html", "no-cache"],
    ]);
  });

  it("lie in a closed, encrypted bucket that CloudFront alone may read, of this account, over TLS", () => {
    const { bucket: _name, ...block } = ofBucket("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock");
    assert.deepEqual([...new Set(Object.values(block))], [true]);
    assert.equal(
      dig(
        ofBucket("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
        ...["rules", 0, "applyServerSideEncryptionByDefault", "sseAlgorithm"],
      ),
      "AES256",
    );
    assert.equal(
      graph
        .ofType("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration")
        .some(({ inputs }) => inputs["bucket"] === BUCKET),
      false,
    );
    const [denied, allowed, ...others] = statementsOf(ofBucket("aws:s3/bucketPolicy:BucketPolicy")["policy"]);
    assert.deepEqual(others, []);
    assert.deepEqual([denied?.Effect, denied?.Condition], ["Deny", { Bool: { "aws:SecureTransport": ["false"] } }]);
    assert.deepEqual(allowed, {
      Effect: "Allow",
      Action: ["s3:GetObject"],
      Resource: [`arn:aws:s3:::${BUCKET}/*`],
      Principal: { Service: ["cloudfront.amazonaws.com"] },
      Condition: { ArnLike: { "aws:SourceArn": ["arn:aws:cloudfront::123456789012:distribution/*"] } },
    });
    // The origin is signed for: CloudFront's function sets it as it routes.
    assert.match(
      String(graph.one("aws:cloudfront/function:Function").inputs["code"]),
      /domainName:s3Domain,originAccessControlConfig:\{enabled:!0,signingBehavior:"always",signingProtocol:"sigv4"/,
    );
  });
});

describe("the dashboard's answers", () => {
  it("come over HTTPS alone, are read and nothing else, and carry the headers that the home sends", () => {
    const behavior = distribution["defaultCacheBehavior"];
    assert.equal(dig(behavior, "viewerProtocolPolicy"), "redirect-to-https");
    assert.deepEqual(dig(behavior, "allowedMethods"), ["GET", "HEAD"]);
    assert.equal(dig(behavior, "compress"), true);
    assert.equal(dig(behavior, "responseHeadersPolicyId"), "DashboardHeaders-id");
    const policy = graph.one("aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy").inputs;
    const security = policy["securityHeadersConfig"];
    assert.deepEqual(dig(security, "strictTransportSecurity"), { accessControlMaxAgeSec: 31_536_000, override: true });
    const sent: Record<string, unknown> = {
      "content-security-policy": dig(security, "contentSecurityPolicy", "contentSecurityPolicy"),
      "referrer-policy": dig(security, "referrerPolicy", "referrerPolicy"),
      ...(dig(security, "contentTypeOptions", "override") === true ? { "x-content-type-options": "nosniff" } : {}),
    };
    for (const { header, value } of dig(policy, "customHeadersConfig", "items") as { header: string; value: string }[])
      sent[header] = value;
    assert.deepEqual(sent, securityHeaders([UPLOADS]));
    assert.match(String(sent["content-security-policy"]), /^default-src 'none'; .*frame-ancestors 'none'$/);
    assert.doesNotMatch(String(sent["content-security-policy"]), /unsafe|\*/);
  });

  it("to a wrong address are not made up: an error of the API stays what the API said", () => {
    assert.deepEqual(distribution["customErrorResponses"], []);
  });
});

describe("the API under the dashboard's name", () => {
  it("is asked over TLS with the reader's key, compressed on the way, and nothing is kept between readers", () => {
    const behaviors = distribution["orderedCacheBehaviors"] as Record<string, unknown>[];
    assert.equal(behaviors.length, 1);
    const [behavior] = behaviors;
    assert.equal(behavior!["pathPattern"], "/v1/*");
    assert.equal(behavior!["viewerProtocolPolicy"], "https-only");
    assert.equal(behavior!["compress"], true);
    const origin = (distribution["origins"] as Record<string, unknown>[]).find(
      ({ originId }) => originId === behavior!["targetOriginId"],
    );
    assert.equal(origin?.["domainName"], "api.example.invalid");
    assert.equal(dig(origin, "customOriginConfig", "originProtocolPolicy"), "https-only");
    const cache = graph.one("aws:cloudfront/cachePolicy:CachePolicy").inputs;
    assert.equal(behavior!["cachePolicyId"], "ApiAnswers-id");
    assert.deepEqual([cache["minTtl"], cache["defaultTtl"]], [0, 0]);
    const key = cache["parametersInCacheKeyAndForwardedToOrigin"];
    assert.ok((dig(key, "headersConfig", "headers", "items") as string[]).includes("Authorization"));
    assert.equal(dig(key, "queryStringsConfig", "queryStringBehavior"), "all");
    assert.equal(dig(key, "enableAcceptEncodingGzip"), true);
  });

  it("opens addresses for files, to which the dashboard alone may send them from a browser", () => {
    const cors = graph.one("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration", "UploadFilesCors").inputs;
    assert.equal(cors["bucket"], "UploadFilesBucket");
    assert.deepEqual(cors["corsRules"], [
      {
        allowedMethods: ["PUT"],
        allowedOrigins: ["https://site.example.invalid"],
        allowedHeaders: ["content-type"],
        maxAgeSeconds: 3_600,
      },
    ]);
  });
});
