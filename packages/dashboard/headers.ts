/** What the site's answers say of themselves, wherever they come from: the home sends these headers, and CloudFront. */

/**
 * What a page may load. uPlot and Preact set styles on elements through the DOM, which no policy forbids; a `style`
 * attribute in markup stays forbidden. `frame-ancestors` is a header's to set (`securityHeaders`).
 * @param others addresses that the page calls besides its own host
 */
export const contentSecurityPolicy = (others: readonly string[] = []): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    `connect-src ${["'self'", ...others.map((address) => new URL(address).origin)].join(" ")}`,
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");

/** Sent with every file of the site, besides the policy that the page itself states. @param others as above */
export const securityHeaders = (others: readonly string[] = []) => ({
  "content-security-policy": `${contentSecurityPolicy(others)}; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
});

const YEAR_SECONDS = 31_536_000;

/** The page is asked for each time; what it names is named by its content, and stays. */
export const cacheControl = { page: "no-cache", asset: `public, max-age=${YEAR_SECONDS}, immutable` } as const;
