import type { SourceState } from "@ebb/ports/source-ports";

/** Whatever types the fields have now are taken: the next load reads everything again. */
export const accepted = (state: SourceState): SourceState => {
  const { plan: _, fields: __, watermark: ___, underWay: ____, ...rest } = state;
  return rest;
};
