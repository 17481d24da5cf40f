/** Finds the route of a request in the table of declarations, as API Gateway does: a literal path before a pattern. */
import type { Route } from "@ebb/functions/declarations";

export interface Match {
  readonly route: Route;
  readonly pathParameters: Readonly<Record<string, string>> | undefined;
}

/** `undefined`: no such path. `allow`: the path is known, the method is not. */
export type Found = Match | { readonly allow: readonly string[] } | undefined;

interface Pattern {
  readonly segments: readonly (string | { readonly name: string })[];
  readonly byMethod: Map<string, Route>;
}

export class Router {
  readonly #literal = new Map<string, Map<string, Route>>();
  readonly #patterns: Pattern[] = [];

  constructor(routes: readonly Route[]) {
    const patterns = new Map<string, Pattern>();
    for (const route of routes) {
      if (!route.path.includes("{")) {
        const methods = this.#literal.get(route.path) ?? new Map<string, Route>();
        methods.set(route.method, route);
        this.#literal.set(route.path, methods);
        continue;
      }
      const pattern = patterns.get(route.path) ?? {
        segments: route.path.split("/").map((part) => (part.startsWith("{") ? { name: part.slice(1, -1) } : part)),
        byMethod: new Map<string, Route>(),
      };
      pattern.byMethod.set(route.method, route);
      patterns.set(route.path, pattern);
    }
    this.#patterns.push(...patterns.values());
  }

  /** @param path as it came, percent-encoded. @throws URIError where a parameter is not valid percent-encoding */
  find(method: string, path: string): Found {
    const methods = this.#literal.get(path);
    if (methods !== undefined) {
      const route = methods.get(method);
      return route === undefined ? { allow: [...methods.keys()] } : { route, pathParameters: undefined };
    }
    const parts = path.split("/");
    const allow: string[] = [];
    for (const { segments, byMethod } of this.#patterns) {
      if (!matches(segments, parts)) continue;
      const route = byMethod.get(method);
      if (route === undefined) {
        allow.push(...byMethod.keys());
        continue;
      }
      const pathParameters: Record<string, string> = {};
      segments.forEach((segment, index) => {
        if (typeof segment !== "string") pathParameters[segment.name] = decodeURIComponent(parts[index]!);
      });
      return { route, pathParameters };
    }
    return allow.length === 0 ? undefined : { allow };
  }
}

const matches = (segments: Pattern["segments"], parts: readonly string[]): boolean =>
  segments.length === parts.length &&
  segments.every((segment, index) => (typeof segment === "string" ? segment === parts[index] : parts[index] !== ""));
