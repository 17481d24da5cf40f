/** One resource as the program declared it: inputs with every output resolved, no account behind it. */
export interface DeclaredResource {
  /** Pulumi type token, e.g. `aws:kinesis/stream:Stream`. */
  readonly type: string;
  /** Logical name; unique within a type. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Logical name of the component that holds it; absent at the top. */
  readonly parent?: string;
  readonly protect?: boolean;
  readonly retainOnDelete?: boolean;
}

/** What `app()` in sst.config.ts answered for the stage. */
export interface DeclaredApp {
  readonly name: string;
  readonly stage: string;
  readonly removal: "remove" | "retain" | "retain-all";
  readonly protect: boolean;
  readonly providers: Readonly<Record<string, unknown>>;
}

/** Everything one stage declares, to be queried by tests and by the cost model. */
export interface ResourceGraph {
  readonly app: DeclaredApp;
  readonly resources: readonly DeclaredResource[];
  ofType(type: string): readonly DeclaredResource[];
  /** @throws Error when there is none, or more than one. */
  one(type: string, name?: string): DeclaredResource;
}

export const graphOf = (app: DeclaredApp, resources: readonly DeclaredResource[]): ResourceGraph => {
  const ofType = (type: string): readonly DeclaredResource[] => resources.filter((resource) => resource.type === type);
  return {
    app,
    resources,
    ofType,
    one: (type, name) => {
      const found = ofType(type).filter((resource) => name === undefined || resource.name === name);
      if (found.length !== 1 || found[0] === undefined)
        throw new Error(`Expected one ${type}${name === undefined ? "" : ` named ${name}`}, found ${found.length}.`);
      return found[0];
    },
  };
};

/**
 * An input by its path, `dig(resource.inputs, "serverSideEncryptionConfiguration", "rules", 0)`; `undefined` where
 * any step is missing.
 */
export const dig = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (at, step) => (at === null || typeof at !== "object" ? undefined : (at as Record<string | number, unknown>)[step]),
    value,
  );
