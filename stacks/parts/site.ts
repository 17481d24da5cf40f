/**
 * The dashboard: files that everybody may read and that hold nothing, behind CloudFront. Under the same name CloudFront
 * hands `/v1/*` on to the API, so that the page calls its own host, as on one machine: no CORS, no preflight before each
 * question, and answers compressed on the way. The browser still brings its key with every call.
 */
import { cacheControl, securityHeaders } from "@ebb/dashboard/headers";
import { uploadBucket } from "../shared.ts";
import { api } from "./api.ts";
import { namePrefix } from "./settings.ts";

const account = aws.getCallerIdentityOutput().accountId;

/** Files go from the browser straight to their bucket, by presigned addresses. */
const uploadsUrl = $interpolate`https://${uploadBucket.nodes.bucket.bucketRegionalDomainName}`;

// ── what every answer of the site says of itself ───────────────────────────────────────────────────────────────────

/** Headers that CloudFront's policy has fields of its own for; the rest are custom ones. */
const ownFields = ["content-security-policy", "x-content-type-options", "referrer-policy"];

const headers = new aws.cloudfront.ResponseHeadersPolicy("DashboardHeaders", {
  name: `${namePrefix}-dashboard`,
  comment: "Security headers of Ebb's dashboard",
  securityHeadersConfig: {
    contentSecurityPolicy: {
      contentSecurityPolicy: uploadsUrl.apply((url) => securityHeaders([url])["content-security-policy"]),
      override: true,
    },
    contentTypeOptions: { override: true }, // always `nosniff`
    referrerPolicy: { referrerPolicy: securityHeaders()["referrer-policy"], override: true },
    // One year, the least that browsers' lists ask for. Not for other names under this one: they are not ours.
    strictTransportSecurity: { accessControlMaxAgeSec: 31_536_000, override: true },
  },
  customHeadersConfig: {
    items: Object.entries(securityHeaders())
      .filter(([header]) => !ownFields.includes(header))
      .map(([header, value]) => ({ header, value, override: true })),
  },
});

// ── the API under the site's name ──────────────────────────────────────────────────────────────────────────────────

/**
 * What the API answers is kept by the browser alone (`private`, `no-store`). The policy is not CloudFront's own for no
 * caching, since that one does not compress; the key stands in the cache's key, so that no reader could get another's.
 */
const answers = new aws.cloudfront.CachePolicy("ApiAnswers", {
  name: `${namePrefix}-api`,
  comment: "Compresses; keeps only what the API says may be kept",
  minTtl: 0,
  defaultTtl: 0,
  maxTtl: 1,
  parametersInCacheKeyAndForwardedToOrigin: {
    enableAcceptEncodingBrotli: true,
    enableAcceptEncodingGzip: true,
    cookiesConfig: { cookieBehavior: "none" },
    headersConfig: { headerBehavior: "whitelist", headers: { items: ["Accept", "Authorization", "Origin"] } },
    queryStringsConfig: { queryStringBehavior: "all" },
  },
});

/** AWS's own policy AllViewerExceptHostHeader: API Gateway knows itself by its own name only. */
const ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

const apiOrigin = {
  originId: "api",
  domainName: api.nodes.api.apiEndpoint.apply((url) => new URL(url).host),
  customOriginConfig: {
    httpPort: 80,
    httpsPort: 443,
    originProtocolPolicy: "https-only",
    originReadTimeout: 30, // API Gateway gives up after as long
    originSslProtocols: ["TLSv1.2"],
  },
};

const apiBehavior = {
  pathPattern: "/v1/*",
  targetOriginId: apiOrigin.originId,
  viewerProtocolPolicy: "https-only", // a key is not to be sent in the clear, and then once more
  allowedMethods: ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
  cachedMethods: ["GET", "HEAD"],
  compress: true,
  cachePolicyId: answers.id,
  originRequestPolicyId: ALL_BUT_HOST,
};

// ── the site ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Within `.sst`, which is nobody's source. */
const output = "../../.sst/dashboard";

export const site = new sst.aws.StaticSite("Dashboard", {
  path: "packages/dashboard",
  build: { command: `../../node_modules/.bin/node build.ts ${output}`, output },
  environment: { EBB_UPLOADS_URL: uploadsUrl },
  dev: false, // `sst dev` has the site as well: it asks the functions that run on the developer's machine
  assets: {
    fileOptions: [
      { files: "**", cacheControl: cacheControl.asset },
      { files: "index.html", cacheControl: cacheControl.page },
    ],
  },
  transform: {
    assets: (args) => {
      args.cors = false; // the page and its files have one origin
      // SST's own rule lets the distributions of every account in.
      args.access = undefined;
      args.policy = [
        {
          principals: [{ type: "service", identifiers: ["cloudfront.amazonaws.com"] }],
          actions: ["s3:GetObject"],
          paths: ["*"],
          conditions: [
            {
              test: "ArnLike",
              variable: "aws:SourceArn",
              values: [$interpolate`arn:aws:cloudfront::${account}:distribution/*`],
            },
          ],
        },
      ];
    },
    cdn: (args) => {
      args.origins = $output(args.origins).apply((origins) => [...origins, apiOrigin]);
      args.orderedCacheBehaviors = [apiBehavior];
      args.defaultCacheBehavior = $output(args.defaultCacheBehavior).apply((behavior) => ({
        ...behavior,
        allowedMethods: ["GET", "HEAD"],
        responseHeadersPolicyId: headers.id,
      }));
    },
  },
});

/** S3's own key: what everybody may read needs no other, and a KMS key would have to let CloudFront use it. */
new aws.s3.BucketServerSideEncryptionConfiguration("DashboardAssetsEncryption", {
  bucket: site.nodes.assets!.name,
  rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
});

/** The page may PUT files to the addresses that the API signs; the signature is what lets them in. */
new aws.s3.BucketCorsConfiguration("UploadFilesCors", {
  bucket: uploadBucket.name,
  corsRules: [
    { allowedMethods: ["PUT"], allowedOrigins: [site.url], allowedHeaders: ["content-type"], maxAgeSeconds: 3_600 },
  ],
});
