/** A driver in words that follow "This customer …". */
import type { ChurnModel } from "@ebb/core/churn/model";
import { features } from "@ebb/lake/batch/features";

/**
 * By the group's strongest feature: where its coefficient and the driver point the same way the feature is high, else low.
 * Answers a function of a driver's name and its part of the log-odds.
 */
export const driverWords = (
  model: Pick<ChurnModel, "groups" | "terms">,
): ((group: string, logOdds: number) => string) => {
  const words = new Map(
    model.groups.map(({ name, label, features: members }) => {
      const strongest = model.terms
        .filter(({ feature, part }) => members.includes(feature) && (part.kind === "value" || part.kind === "level"))
        .reduce<{ feature: string; beta: number } | undefined>(
          (best, term) => (best === undefined || Math.abs(term.beta) > Math.abs(best.beta) ? term : best),
          undefined,
        );
      const declared = features.find((feature) => feature.name === strongest?.feature);
      return [
        name,
        {
          label,
          inWords: declared?.inWords,
          beta: declared?.treatment.kind === "categorical" ? 1 : (strongest?.beta ?? 1),
        },
      ];
    }),
  );
  return (group, logOdds) => {
    const known = words.get(group);
    if (known?.inWords === undefined) return known?.label ?? group;
    return known.beta > 0 === logOdds > 0 ? known.inWords.high : known.inWords.low;
  };
};
