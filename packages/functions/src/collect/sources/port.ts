import type { Source } from "../sources.ts";

const ports = { postgres: 5432, mysql: 3306 } as const;

/** The port of a database, where none is declared the one that its kind has. */
export const portOf = ({ kind, port }: Extract<Source, { kind: "relational" }>["connection"]): number =>
  port ?? ports[kind];
