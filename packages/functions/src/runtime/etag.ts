/**
 * Whether the client has this version already: If-None-Match is a list or `*`, compared weakly (RFC 9110, 13.1.2). Weakly
 * matters: what compresses an answer on its way, as CloudFront does, makes its ETag a weak one.
 */
export const isKnown = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined &&
  ifNoneMatch.split(",").some((known) => {
    const tag = known.trim();
    return tag === "*" || tag.replace(/^W\//, "") === etag.replace(/^W\//, "");
  });
