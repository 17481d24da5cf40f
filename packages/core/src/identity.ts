/**
 * By which keys a person is known, the strongest first: the producer's customer id, an e-mail address, a handle, an
 * anonymous id. All of them travel as pseudonyms (`cus_`, `eml_`, `aut_`, `ano_`); nothing here keeps what they stand for.
 * What becomes of keys that are named together: docs/unified.md.
 */
import { objectOf } from "./canonical-context.ts";
import type { Pseudonymizer } from "./ids.ts";
import type { Refusal } from "./reasons.ts";
import { textOf } from "./wire/values.ts";

type Input = Readonly<Record<string, unknown>>;

/** RFC 5321: 64 before the @, 255 after it. Anything else is no address that could be compared with another. */
const ADDRESS = /^[^\s@]{1,64}@[^\s@]{1,255}$/u;

/** The pseudonym of an e-mail address as people write it: in any case, with blanks around. `undefined` for what is none. */
export const emailKeyOf = (value: unknown, pseudonyms: Pseudonymizer): string | undefined => {
  const address = textOf(value, 400)?.trim().normalize("NFC").toLowerCase();
  return address === undefined || !ADDRESS.test(address) ? undefined : pseudonyms.handle("eml", address);
};

/** The pseudonym of who writes on a platform under a handle: the same in a post and in an explicit link. */
export const authorKeyOf = (platform: string, handle: string, pseudonyms: Pseudonymizer): string =>
  pseudonyms.handle("aut", `${platform}:${handle.replace(/^@/, "").toLowerCase()}`);

const handleKeyOf = (platform: unknown, handle: unknown, pseudonyms: Pseudonymizer): string | undefined => {
  const [place, name] = [textOf(platform, 64), textOf(handle, 256)];
  return place === undefined || name === undefined ? undefined : authorKeyOf(place, name, pseudonyms);
};

export interface LinkedKeys {
  readonly email_key?: string;
  readonly author_key?: string;
}

/** What the traits of an identify call link: `email`, and `social: { platform, handle }`. */
export const linkedKeysOf = (traits: Input, pseudonyms: Pseudonymizer): LinkedKeys => {
  const email = emailKeyOf(traits["email"], pseudonyms);
  const social = objectOf(traits["social"]);
  const author = handleKeyOf(social?.["platform"], social?.["handle"], pseudonyms);
  return {
    ...(email === undefined ? {} : { email_key: email }),
    ...(author === undefined ? {} : { author_key: author }),
  };
};

/** The one key that an `Identity Unlinked` event takes away from its customer. */
export const unlinkedKeyOf = (properties: Input, pseudonyms: Pseudonymizer): string | Refusal => {
  const anonymousId = textOf(properties["anonymous_id"], 1024);
  const named = [
    anonymousId === undefined ? undefined : pseudonyms.anonymous(anonymousId),
    emailKeyOf(properties["email"], pseudonyms),
    handleKeyOf(properties["platform"], properties["handle"], pseudonyms),
  ].filter((key) => key !== undefined);
  if (named.length === 1) return named[0]!;
  return {
    code: named.length === 0 ? "missing_field" : "invalid_field",
    field: "properties",
    message: "properties must name one of anonymous_id, email, and platform with handle.",
  };
};
