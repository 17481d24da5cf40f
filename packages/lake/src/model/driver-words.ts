/** A driver in words that follow "This customer …", for a program and in SQL. */
import type { ChurnModel } from "@ebb/core/churn/model";
import { textLiteral } from "../batch/literals.ts";
import { features } from "../batch/features.ts";

type Grouped = Pick<ChurnModel, "groups" | "terms">;

interface GroupWords {
  readonly group: string;
  /** Where the group speaks for leaving. */
  readonly leaving: string;
  /** Where it speaks against it. */
  readonly staying: string;
}

/** By the group's strongest feature: where its coefficient and the driver point the same way the feature is high, else low. */
const wordsOf = ({ groups, terms }: Grouped): readonly GroupWords[] =>
  groups.map(({ name, label, features: members }) => {
    const strongest = terms
      .filter(({ feature, part }) => members.includes(feature) && (part.kind === "value" || part.kind === "level"))
      .reduce<{ feature: string; beta: number } | undefined>(
        (best, term) => (best === undefined || Math.abs(term.beta) > Math.abs(best.beta) ? term : best),
        undefined,
      );
    const declared = features.find((feature) => feature.name === strongest?.feature);
    if (declared === undefined) return { group: name, leaving: label, staying: label };
    const { high, low } = declared.inWords;
    // A level is present or not, whatever way it points.
    const rising = declared.treatment.kind === "categorical" || strongest!.beta > 0;
    return { group: name, leaving: rising ? high : low, staying: rising ? low : high };
  });

/** Answers a function of a driver's name and its part of the log-odds; a group that the model does not know is its name. */
export const driverWords = (model: Grouped): ((group: string, logOdds: number) => string) => {
  const known = new Map(wordsOf(model).map((words) => [words.group, words]));
  return (group, logOdds) => {
    const words = known.get(group);
    if (words === undefined) return group;
    return logOdds > 0 ? words.leaving : words.staying;
  };
};

/** The same as an expression over two columns, on all engines; NULL where there is no driver. */
export const driverWordsSql = (model: Grouped, group: string, logOdds: string): string => {
  const branches = wordsOf(model).map(
    (words) =>
      `WHEN ${textLiteral(words.group)} THEN CASE WHEN ${logOdds} > 0 THEN ${textLiteral(words.leaving)} ELSE ${textLiteral(words.staying)} END`,
  );
  return branches.length === 0 ? group : `CASE ${group} ${branches.join(" ")} ELSE ${group} END`;
};
