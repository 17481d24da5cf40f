/** When a source is to be loaded. */
import type { Source } from "@ebb/functions/collect/sources";

type Schedule = NonNullable<Source["spec"]["schedule"]>;

/** @param loadedAtMs when it was last loaded whole, if ever; `at` is in the machine's zone */
export const isDue = (schedule: Schedule, loadedAtMs: number | undefined, now: Date): boolean => {
  if (loadedAtMs === undefined) return true;
  if ("every" in schedule) return now.getTime() - loadedAtMs >= schedule.every * 1000;
  const [hours, minutes] = schedule.at.split(":").map(Number);
  const due = new Date(now);
  due.setHours(hours!, minutes, 0, 0);
  if (due > now) due.setDate(due.getDate() - 1);
  return loadedAtMs < due.getTime();
};
