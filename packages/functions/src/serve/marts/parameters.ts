/** Parameters of the questions, checked: what is not known answers 400 with what is. */
import { z } from "zod";
import type { HttpEvent } from "../../runtime/http.ts";
import { Problem } from "../../runtime/problem.ts";

export const text = (most: number) => z.string().max(most, `has at most ${most} characters`);

const day = z.iso.date({ error: "is a day, YYYY-MM-DD" }).optional();

export const periodShape = {
  /** First day, UTC. */
  from: day,
  /** The day after the last, UTC. */
  to: day,
  country: text(100).optional(),
};

/** @throws Problem `invalid_parameter` for a parameter that has another name, with those that there are */
export const checkNames = (event: HttpEvent, names: readonly string[]): void => {
  const other = Object.keys(event.queryStringParameters ?? {}).find((name) => !names.includes(name));
  if (other !== undefined)
    throw new Problem(
      "invalid_parameter",
      `${other} is no parameter here. There ${names.length === 0 ? "is none" : `are ${names.join(", ")}`}.`,
      { parameter: other },
    );
};

/** @throws Problem `invalid_parameter`, naming the first parameter that is wrong or not known */
export const parametersOf = <Shape extends z.ZodRawShape>(
  event: HttpEvent,
  shape: Shape,
): z.output<z.ZodObject<Shape>> => {
  checkNames(event, Object.keys(shape));
  const parsed = z.object(shape).safeParse(event.queryStringParameters ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0]);
  const said = issue.code === "invalid_value" ? `is one of ${issue.values.map(String).join(", ")}` : issue.message;
  throw new Problem("invalid_parameter", `${name} ${said}.`, { parameter: name });
};

/** @throws Problem where the period ends before it begins */
export const checkPeriod = ({ from, to }: { from?: string | undefined; to?: string | undefined }): void => {
  if (from !== undefined && to !== undefined && from >= to)
    throw new Problem("invalid_parameter", "to is the day after the last: it comes after from.", { parameter: "to" });
};

export const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `is a number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `is a number from ${least} to ${most}`);

export const fraction = z
  .string()
  .regex(/^(?:0|1|0?\.\d{1,12}|1\.0+|0)$/, "is a number from 0 to 1")
  .transform(Number);
